// Recovery feeds the same door: replayed records and branches found prepared become states with effects, and from there on
// there is one way to commit.
import type { LogRecord } from '../../log/record.ts';
import { NO_EVIDENCE, withoutRow } from '../../xa/evidence.ts';
import type { Decision, Reason } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, gtridParts } from '../../xa/xid.ts';
import { finishEffect } from './branches.ts';
import { completeCommit } from './committing.ts';
import type { Effect, Step } from './event.ts';
import type { Word } from './operator.ts';
import { recordedScope } from './scope.ts';
import type {
  CommitStatus,
  Committing,
  Completed,
  Damaged,
  FinishingBranch,
  PendingEnd,
  Presumed,
  State,
  Unproven,
} from './state.ts';

/** Whether decisions of the transaction's life may be missing in the log, so that its silence proves nothing (D7). */
export function isOfLostLife(gtrid: Gtrid, { lostTo }: { readonly lostTo?: number | undefined }): boolean {
  return lostTo !== undefined && gtridParts(gtrid).epoch <= lostTo;
}

/**
 * A transaction from what the log holds of it: its decision, and the damage and operator actions recorded since.
 * Undefined: the records say nothing that is still open (an operator's rollback of an undecided transaction).
 *
 * A log that lacks its newest records (`lostTo`) may have accounted for these branches, and their evidence rows were deleted then: that
 * one is not there proves nothing (D6).
 */
export function recovered(
  gtrid: Gtrid,
  records: readonly LogRecord[],
  lostTo: number | undefined,
): Step<State> | undefined {
  const areRowsSure = !isOfLostLife(gtrid, { lostTo });
  const vouched = new Map<Bqual, CommitStatus>();
  const damaged = new Map<Bqual, Damaged | Unproven>();
  let decided: Extract<LogRecord, { kind: 'decided' }> | undefined;
  let against: Decision = 'rollback';
  for (const record of records) {
    if (record.kind === 'decided') {
      decided = record;
    } else if (record.kind === 'heuristic') {
      against = record.decision;
      for (const { bqual, kind, proof } of record.damage) {
        damaged.set(bqual, kind === 'unproven' ? unproven(proof) : { kind: 'damaged', proof, by: 'engine' });
      }
    } else if (record.kind === 'operator-action' && record.bqual !== undefined) {
      const proof = `an operator vouched for it: ${record.reason}`;
      vouched.set(
        record.bqual,
        record.action === 'branch-committed' ? { kind: 'vouched' } : { kind: 'damaged', proof, by: 'operator' },
      );
    }
  }
  if (decided === undefined) {
    return damaged.size === 0 ? undefined : damagedEnd(gtrid, against, damaged);
  }
  const branches = decided.branches.map(
    ({ bqual, evidence }): FinishingBranch<CommitStatus> => ({
      bqual,
      instance: undefined,
      evidence: areRowsSure ? evidence : withoutRow(evidence),
      // What an engine proved outweighs what an operator wrote meanwhile, in whichever order the two reached the log.
      status: damaged.get(bqual) ?? vouched.get(bqual) ?? { kind: 'pending', attempts: 0 },
    }),
  );
  const { requestId } = decided;
  const state: Committing = { kind: 'committing', gtrid, branches, scope: recordedScope(decided), requestId };
  const pending = branches.filter(({ status }) => status.kind === 'pending');
  return pending.length === 0
    ? completeCommit(state, [])
    : { state, effects: pending.map((branch) => finishEffect(branch, 'commit')) };
}

/** The hazard of a commit in one phase. */
function unproven(message: string): Unproven {
  return { kind: 'unproven', attempts: 1, reason: { code: 'HEURISTIC_OUTCOME', message, retryable: false } };
}

/**
 * Damage without the record of a decision: of a rollback, or the hazard of a commit in one phase. Were it of another commit, the damage
 * alone says what was decided (D2).
 */
function damagedEnd(gtrid: Gtrid, decision: Decision, damaged: ReadonlyMap<Bqual, Damaged | Unproven>): Step<State> {
  const branches = [...damaged].map(
    ([bqual, status]): FinishingBranch<Damaged | Unproven> => ({ ...AT_NOBODY, bqual, status }),
  );
  const outcome = branches.some(isDamaged) ? 'mixed' : 'hazard';
  if (decision === 'commit') {
    return {
      state: { kind: 'completed', gtrid, decision, outcome, branches, scope: undefined, logged: true },
      effects: [],
    };
  }
  const reason: Reason = { code: 'TXN_ROLLED_BACK', message: 'rolled back in an earlier life', retryable: true };
  return {
    state: {
      ...{ kind: 'completed', gtrid, decision, outcome, branches: branches.filter(isDamaged) },
      ...{ reason, presumed: undefined, logged: true },
    },
    effects: [],
  };
}

function isDamaged(branch: FinishingBranch<Damaged | Unproven>): branch is FinishingBranch<Damaged> {
  return branch.status.kind === 'damaged';
}

const AT_NOBODY = { instance: undefined, evidence: NO_EVIDENCE } as const;

/** A branch that was found prepared. */
export type FoundBranch = Pick<FinishingBranch, 'bqual' | 'instance' | 'evidence'>;

/** A prepared branch of ours that no decision names: presumed abort, sound because the log is complete (D7, D8). */
export function orphan(gtrid: Gtrid, found: FoundBranch, presumed: Presumed): Step<State> {
  const branch: FinishingBranch<PendingEnd> = { ...at(found), status: { kind: 'pending', attempts: 0 } };
  const reason: Reason = {
    code: 'TXN_ROLLED_BACK',
    message: 'no decision of it is in the log: presumed abort',
    retryable: true,
  };
  return {
    state: { kind: 'rolling-back', gtrid, branches: [branch], reason, presumed },
    effects: [finishEffect(branch, 'rollback')],
  };
}

/** What a person's word on a lost transaction leaves in the log: a commit is a decision like others, of the branches that were kept. */
export function recordsOfWord(
  gtrid: Gtrid,
  { kind }: Word,
  kept: readonly FoundBranch[],
  requestId: string,
): readonly LogRecord[] {
  const branches = kept.map(({ bqual, evidence }) => ({ bqual, evidence }));
  return kind === 'commit' ? [{ kind: 'decided', gtrid, branches, requestId }] : [];
}

/**
 * The word and its records are durable: what was kept is finished, by the same door as everything else, and nothing is concluded of other
 * branches. Undefined: nothing was kept.
 */
export function settledByWord(
  gtrid: Gtrid,
  { kind }: Word,
  kept: readonly FoundBranch[],
  records: readonly LogRecord[],
): Step<State> | undefined {
  if (kind === 'commit') {
    return recovered(gtrid, records, undefined); // The decision is as old as the word: no row of it was deleted yet.
  }
  const [first, ...others] = kept;
  if (first === undefined) {
    return undefined;
  }
  const { state, effects } = orphan(gtrid, first, 'branch');
  return {
    state,
    effects: [...effects, ...others.map((branch): Effect => ({ ...at(branch), kind: 'finish', verb: 'rollback' }))],
  };
}

/**
 * A decision whose branches were all accounted for before: late messages about it are answered from this state. Some may have been
 * accounted for by an operator's word only, and be prepared still: the decided opening is committed whenever it is found (D2).
 */
export function decidedLongAgo(record: Extract<LogRecord, { kind: 'decided' }>): Completed {
  const branches = record.branches.map(({ bqual, evidence }): FinishingBranch<CommitStatus> => {
    return { bqual, instance: undefined, evidence, status: { kind: 'proven' } };
  });
  return {
    kind: 'completed',
    gtrid: record.gtrid,
    decision: 'commit',
    outcome: 'committed',
    branches,
    scope: recordedScope(record),
    logged: true,
  };
}

function at({ bqual, instance, evidence }: FoundBranch): FoundBranch {
  return { bqual, instance, evidence };
}
