// All canaries. Their numbers are names: what was planted first, and its relatives with a word behind it.
import type { Canary } from './canary.ts';
import { COORDINATOR_CANARIES } from './coordinator-canaries.ts';
import { PART_CANARIES } from './part-canaries.ts';
import { SYSTEM_CANARIES } from './system-canaries.ts';

export const CANARIES: readonly Canary[] = [...COORDINATOR_CANARIES, ...SYSTEM_CANARIES, ...PART_CANARIES];
