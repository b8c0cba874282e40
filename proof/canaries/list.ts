// All canaries. Their numbers are names: what was planted first, and its relatives with a word behind it.

import { ANSWER_CANARIES } from './answer-canaries.ts';
import type { Canary } from './canary.ts';
import { DECISION_CANARIES } from './decision-canaries.ts';
import { ENGINE_CANARIES } from './engine-canaries.ts';
import { EVIDENCE_CANARIES } from './evidence-canaries.ts';
import { LOG_CANARIES } from './log-canaries.ts';
import { OPENING_CANARIES } from './opening-canaries.ts';
import { PART_CANARIES } from './part-canaries.ts';
import { SYSTEM_CANARIES } from './system-canaries.ts';
import { VOTE_CANARIES } from './vote-canaries.ts';

export const CANARIES: readonly Canary[] = [
  ...VOTE_CANARIES,
  ...DECISION_CANARIES,
  ...SYSTEM_CANARIES,
  ...LOG_CANARIES,
  ...PART_CANARIES,
  ...ANSWER_CANARIES,
  ...ENGINE_CANARIES,
  ...OPENING_CANARIES,
  ...EVIDENCE_CANARIES,
];
