// Transactions that are not held in memory any more: what the log, the outcomes and the engines still tell of them (D5).
import type { Log } from '../log/log.ts';
import type { Outcome } from '../xa/vocabulary.ts';
import { type Gtrid, gtridParts, resourceOf } from '../xa/xid.ts';
import { recordedOutcome } from './answers.ts';
import type { Directory } from './directory.ts';
import type { ClaimedBranch } from './engine/event.ts';
import type { Outcomes } from './outcomes.ts';

export type Found =
  | { readonly kind: 'outcome'; readonly outcome: Outcome }
  /** Not of this log, or never begun. */
  | { readonly kind: 'not-found' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'unknown'; readonly why: string };

export interface LookupParts {
  readonly log: Log;
  readonly outcomes: Outcomes;
  /** Transactions whose records recovery could not understand. */
  readonly unreadable: ReadonlySet<Gtrid>;
  readonly directory: Directory;
  /** Whether a transaction of this epoch may have been begun under the id. */
  readonly mayHaveBegun: (gtrid: Gtrid) => boolean;
}

/**
 * The end of a transaction that is neither live nor held whole. `claimed` is what the asker knows of its branches.
 *
 * A commit in one phase leaves no record, so silence in the log proves a rollback only for a transaction that the asker knows to
 * have had two branches; for one branch its engine is asked, and for none nothing is concluded.
 */
export async function lookUp(parts: LookupParts, gtrid: Gtrid, claimed: readonly ClaimedBranch[]): Promise<Found> {
  const { identity, epoch } = parts.log.recovered;
  const asked = gtridParts(gtrid);
  if (asked.identity !== identity || asked.epoch > epoch) {
    return { kind: 'not-found' };
  }
  const remembered = parts.outcomes.outcome(gtrid);
  const provenBy = parts.outcomes.provenBy(gtrid);
  // What one engine proved says nothing to somebody who knows of another branch: that one may have ended otherwise (D5).
  if (remembered !== undefined && (provenBy === undefined || claimed.every(({ bqual }) => bqual === provenBy))) {
    return { kind: 'outcome', outcome: remembered };
  }
  if (parts.unreadable.has(gtrid)) {
    return { kind: 'unknown', why: 'its records in the log contradict each other' };
  }
  const logged = parts.log.outcome(gtrid);
  const recorded = recordedOutcome(logged, parts.log.history(gtrid));
  if (recorded !== undefined) {
    return { kind: 'outcome', outcome: recorded };
  }
  if (logged.kind === 'expired') {
    return { kind: 'expired' };
  }
  if (asked.epoch === epoch) {
    return parts.mayHaveBegun(gtrid) && !parts.outcomes.isComplete ? { kind: 'expired' } : { kind: 'not-found' };
  }
  const [only, second] = claimed;
  if (second !== undefined) {
    return { kind: 'outcome', outcome: 'rolled-back' };
  }
  return only === undefined
    ? { kind: 'unknown', why: 'name its branches: for a single one the log proves nothing' }
    : askEngine(parts, gtrid, only);
}

async function askEngine(parts: LookupParts, gtrid: Gtrid, { bqual }: ClaimedBranch): Promise<Found> {
  const sidecar = parts.directory.sidecarOf(resourceOf(bqual));
  if (sidecar === undefined) {
    return { kind: 'unknown', why: `the participant of ${bqual} is not attached, and only its engine can tell` };
  }
  const { proof } = await sidecar.probe(gtrid, bqual, '');
  switch (proof) {
    case 'committed':
      parts.outcomes.noteProof(gtrid, bqual, 'committed');
      return { kind: 'outcome', outcome: 'committed' };
    case 'rolled-back':
      parts.outcomes.noteProof(gtrid, bqual, 'rolled-back');
      return { kind: 'outcome', outcome: 'rolled-back' };
    default:
      return { kind: 'unknown', why: `the engine of ${bqual} does not prove how its only branch ended` };
  }
}
