// No evidence.
import type { Evidence } from '../../src/xa/vocabulary.ts';

export const NOTHING: Evidence = '';
