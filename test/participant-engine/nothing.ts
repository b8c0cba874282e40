// No evidence.
import { type Evidence, NO_EVIDENCE } from '../../src/xa/evidence.ts';

export const NOTHING: Evidence = NO_EVIDENCE;
