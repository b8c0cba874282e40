// Why a branch was ended or a command refused, in the participant's own words.
import type { Reason } from '../../xa/vocabulary.ts';

/** D3: prepared now, the branch could be committed with some of its statements missing. */
export const INCOMPLETE: Reason = {
  code: 'BRANCH_STATE',
  message: 'the last statement of the branch had not arrived when its vote was asked for',
  retryable: true,
};

export const ROLLED_BACK: Reason = {
  code: 'TXN_ROLLED_BACK',
  message: 'the transaction was rolled back',
  retryable: true,
};

export const TIMED_OUT: Reason = { code: 'TXN_TIMEOUT', message: 'the deadline of the branch passed', retryable: true };

/** It was asked to end in one phase, and for its vote meanwhile. */
export const ASKED_TO_VOTE: Reason = {
  code: 'BRANCH_STATE',
  message: 'the branch was asked for its vote, too',
  retryable: true,
};

/** Nothing was announced, so that nobody was told to commit, and nobody will be once this is heard (D5). */
export const NOT_HELD: Reason = {
  code: 'BRANCH_UNKNOWN',
  message: 'the participant does not hold the branch',
  retryable: true,
};

export const NEITHER_HELD_NOR_LISTED: Reason = {
  code: 'BRANCH_UNKNOWN',
  message: 'the participant does not hold the branch, and its engine does not list it as prepared',
  retryable: true,
};

export const UNPREPARED: Reason = {
  code: 'BRANCH_STATE',
  message: 'the branch is at work and not prepared',
  retryable: false,
};

export const NO_PROOF: Reason = {
  code: 'BRANCH_UNKNOWN',
  message: 'the engine neither holds the branch nor proves how it ended',
  retryable: false,
};
