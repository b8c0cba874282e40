// How a transaction ended, for someone who asked for a commit or a rollback of it.
import { CoordinatorError } from '../xa/errors.ts';
import type { Outcome } from '../xa/vocabulary.ts';
import type { Gtrid } from '../xa/xid.ts';
import { decidedError, notFoundError, outcomeOf, reasonOf, rolledBackError, unknownOutcomeError } from './answers.ts';
import type { Found } from './lookup.ts';
import type { Transaction } from './transaction.ts';

/** An outcome, or the error that says why there is none to be glad of. */
export type End =
  | { readonly kind: 'ended'; readonly outcome: Outcome; readonly transaction: Transaction | undefined }
  | { readonly kind: 'failed'; readonly error: CoordinatorError };

/** What was asked for. */
export type Wanted = 'committed' | 'rolled-back';

/** Of a transaction that is held: what its state stands for now. */
export function endOf(transaction: Transaction, wanted: Wanted): End {
  const { gtrid, state } = transaction;
  const outcome = outcomeOf(state);
  if (outcome === undefined) {
    return { kind: 'failed', error: unknownOutcomeError(gtrid, `it is ${state.kind}`) };
  }
  if (wanted === 'committed' && outcome === 'rolled-back') {
    return { kind: 'failed', error: rolledBackError(gtrid, reasonOf(state)) };
  }
  if (wanted === 'rolled-back' && outcome !== 'rolled-back') {
    return { kind: 'failed', error: decidedError(gtrid, outcome) };
  }
  return { kind: 'ended', outcome, transaction };
}

/** Of one that is not held any more: what could be found out about it. */
export function endOfFound(gtrid: Gtrid, found: Found, wanted: Wanted): End {
  switch (found.kind) {
    case 'not-found':
      return { kind: 'failed', error: notFoundError(gtrid) };
    case 'expired':
      return {
        kind: 'failed',
        error: new CoordinatorError('OUTCOME_EXPIRED', `${gtrid} is older than the retained outcomes`),
      };
    case 'unknown':
      return { kind: 'failed', error: unknownOutcomeError(gtrid, found.why) };
    case 'outcome':
      if (wanted === 'committed' && found.outcome === 'rolled-back') {
        return { kind: 'failed', error: rolledBackError(gtrid, undefined) };
      }
      if (wanted === 'rolled-back' && found.outcome !== 'rolled-back') {
        return { kind: 'failed', error: decidedError(gtrid, found.outcome) };
      }
      return { kind: 'ended', outcome: found.outcome, transaction: undefined };
  }
}
