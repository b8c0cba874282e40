// Transactions that are not held in memory any more: what the log, the outcomes and the engines still tell of them (D5).

import type { Log } from '../../log/log.ts';
import { NO_EVIDENCE } from '../../xa/evidence.ts';
import type { Outcome } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, gtridParts, resourceOf } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import type { ClaimedBranch } from '../engine/event.ts';
import { type Committed, recordedScope, withScope } from '../engine/scope.ts';
import { recordedOutcome } from './answers.ts';
import type { Outcomes } from './outcomes.ts';

export type Found =
  | {
      readonly kind: 'outcome';
      readonly outcome: Outcome;
      /** What was committed, as far as its branches are known. */
      readonly committed: Committed | undefined;
    }
  /** Not of this log, or never begun. */
  | { readonly kind: 'not-found' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'unknown'; readonly why: string };

/** An old copy of the log lacks decisions, and is noticed by the first database that it meets: before that its silence proves nothing (D5). */
const UNMET: Found = {
  kind: 'unknown',
  why: 'no database has been attached since the start of the coordinator, and until then its log may be an old copy',
};

interface LookupParts {
  readonly log: Log;
  readonly outcomes: Outcomes;
  /** Transactions whose records recovery could not understand. */
  readonly unreadable: ReadonlySet<Gtrid>;
  readonly directory: Directory;
  /** Whether a transaction of this epoch may have been begun under the id. */
  readonly mayHaveBegun: (gtrid: Gtrid) => boolean;
}

/**
 * The end of a transaction that is neither live nor held whole. `claimed` is what the asker knows of its branches; whether the commit
 * is of those is for the caller to compare.
 *
 * A commit in one phase leaves no record, so silence in the log proves a rollback only for a transaction that the asker knows to
 * have had two branches; for one branch its engine is asked, and for none nothing is concluded.
 */
export async function lookUp(parts: LookupParts, gtrid: Gtrid, claimed: readonly ClaimedBranch[]): Promise<Found> {
  const { log, outcomes } = parts;
  const { identity, epoch } = log.recovered;
  const asked = gtridParts(gtrid);
  if (asked.identity !== identity || asked.epoch > epoch) {
    return { kind: 'not-found' };
  }
  const logged = log.outcome(gtrid);
  const remembered = outcomes.outcome(gtrid);
  const provenBy = outcomes.provenBy(gtrid);
  const committed =
    logged.kind === 'decided' ? withScope(logged.record.branches, recordedScope(logged.record)) : undefined;
  if (remembered !== undefined && provenBy === undefined) {
    return { kind: 'outcome', outcome: remembered, committed: committed ?? outcomes.committed(gtrid) };
  }
  if (parts.unreadable.has(gtrid)) {
    return { kind: 'unknown', why: 'its records in the log contradict each other' };
  }
  // What was recorded goes before what an engine proves of one branch: damage stays damage, also when it was forgotten (D5).
  const recorded = recordedOutcome(logged, log.history(gtrid));
  if (recorded !== undefined) {
    return { kind: 'outcome', outcome: recorded, committed };
  }
  const bquals = new Set(claimed.map(({ bqual }) => bqual));
  if (remembered !== undefined && provenBy !== undefined) {
    const isOnlyThat = [...bquals].every((bqual) => bqual === provenBy);
    if (isOnlyThat || (remembered === 'committed' && logged.kind === 'silent')) {
      return { kind: 'outcome', outcome: remembered, committed: { all: [provenBy], unnamed: [provenBy] } };
    }
    // A rollback of one branch says nothing to somebody who knows of another one, which may have been committed alone (D5).
  }
  if (logged.kind === 'expired') {
    return { kind: 'expired' };
  }
  if (asked.epoch === epoch) {
    if (!parts.mayHaveBegun(gtrid)) {
      return { kind: 'not-found' };
    }
    if (log.recovered.resources.length > 0 && !parts.directory.hasMet) {
      return UNMET;
    }
    // Over, and not remembered: as long as nothing has been forgotten, it was never committed. Its Begin may not have come at all.
    return outcomes.isComplete
      ? { kind: 'outcome', outcome: 'rolled-back', committed: undefined }
      : { kind: 'expired' };
  }
  const [only, ...others] = bquals;
  if (only === undefined) {
    return { kind: 'unknown', why: 'name its branches: for a single one the log proves nothing' };
  }
  if (!parts.directory.hasMet) {
    return UNMET;
  }
  return others.length === 0 ? askEngine(parts, gtrid, only) : askEngines(parts, gtrid, [only, ...others]);
}

async function askEngine(parts: LookupParts, gtrid: Gtrid, bqual: Bqual): Promise<Found> {
  const sidecar = parts.directory.sidecarOf(resourceOf(bqual));
  if (sidecar === undefined) {
    return { kind: 'unknown', why: `the participant of ${bqual} is not attached, and only its engine can tell` };
  }
  const { proof } = await sidecar.probe(gtrid, bqual, NO_EVIDENCE);
  switch (proof) {
    case 'committed':
    case 'rolled-back': {
      parts.outcomes.noteProof(gtrid, bqual, proof);
      const committed = proof === 'committed' ? { all: [bqual], unnamed: [bqual] } : undefined;
      return { kind: 'outcome', outcome: proof, committed };
    }
    default:
      return { kind: 'unknown', why: `the engine of ${bqual} does not prove how its only branch ended` };
  }
}

/**
 * The log's silence says that nothing of two branches was committed, unless the asker names more than there was: one of them may have been
 * committed alone, in one phase. Engines that can be asked now are asked for that; no others are waited for (D11).
 */
async function askEngines(parts: LookupParts, gtrid: Gtrid, bquals: readonly Bqual[]): Promise<Found> {
  const isCommitted = async (bqual: Bqual): Promise<boolean> => {
    const sidecar = parts.directory.sidecarOf(resourceOf(bqual));
    const probe = await sidecar?.probe(gtrid, bqual, NO_EVIDENCE).catch(() => undefined);
    return probe?.proof === 'committed';
  };
  const proofs = await Promise.all(bquals.map(isCommitted));
  const all = bquals.filter((_, index) => proofs[index]);
  const [first, ...others] = all;
  if (first === undefined) {
    return { kind: 'outcome', outcome: 'rolled-back', committed: undefined };
  }
  if (others.length === 0) {
    parts.outcomes.noteProof(gtrid, first, 'committed');
  }
  return { kind: 'outcome', outcome: 'committed', committed: { all, unnamed: all } };
}
