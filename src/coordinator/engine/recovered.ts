// Recovery feeds the same door: replayed records and branches found prepared become states with effects, and from there on
// there is one way to commit.
import type { LogRecord } from '../../log/record.ts';
import { NO_EVIDENCE } from '../../xa/evidence.ts';
import type { Decision, Evidence, Reason } from '../../xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../xa/xid.ts';
import { finishEffect } from './branches.ts';
import { completeCommit } from './committing.ts';
import type { Step } from './event.ts';
import { recordedScope } from './scope.ts';
import type { Committing, FinishingBranch, FinishStatus, State } from './state.ts';

/**
 * A transaction from what the log holds of it: its decision, and the damage and operator actions recorded since.
 * Undefined: the records say nothing that is still open (an operator's rollback of an undecided transaction).
 */
export function recovered(gtrid: Gtrid, records: readonly LogRecord[]): Step<State> | undefined {
  const statuses = new Map<Bqual, FinishStatus>();
  const damaged = new Map<Bqual, FinishStatus>();
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
      statuses.set(
        record.bqual,
        record.action === 'branch-committed' ? { kind: 'vouched' } : { kind: 'damaged', proof, by: 'operator' },
      );
    }
  }
  if (decided === undefined) {
    return damaged.size === 0 ? undefined : damagedEnd(gtrid, against, damaged);
  }
  const branches = decided.branches.map(
    ({ bqual, evidence }): FinishingBranch => ({
      bqual,
      instance: '',
      evidence,
      // What an engine proved outweighs what an operator wrote meanwhile, in whichever order the two reached the log.
      status: damaged.get(bqual) ?? statuses.get(bqual) ?? { kind: 'pending', attempts: 0 },
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
function unproven(message: string): FinishStatus {
  return { kind: 'unproven', attempts: 1, reason: { code: 'HEURISTIC_OUTCOME', message, retryable: false } };
}

/**
 * Damage without the record of a decision: of a rollback, or the hazard of a commit in one phase. Were it of another commit, the damage
 * alone says what was decided (D2).
 */
function damagedEnd(gtrid: Gtrid, decision: Decision, damaged: ReadonlyMap<Bqual, FinishStatus>): Step<State> {
  const branches = [...damaged].map(([bqual, status]) => ({ bqual, instance: '', evidence: NO_EVIDENCE, status }));
  const reason: Reason = { code: 'TXN_ROLLED_BACK', message: 'rolled back in an earlier life', retryable: true };
  const isMixed = branches.some(({ status }) => status.kind === 'damaged');
  return {
    state: {
      kind: 'completed',
      gtrid,
      decision,
      outcome: isMixed ? 'mixed' : 'hazard',
      branches,
      scope: undefined,
      reason: decision === 'commit' ? undefined : reason,
      logged: true,
    },
    effects: [],
  };
}

/** A prepared branch of ours that no decision names: presumed abort, sound because the log is complete (D7, D8). */
export function orphan(gtrid: Gtrid, bqual: Bqual, instance: string, evidence: Evidence): Step<State> {
  const branch: FinishingBranch = { bqual, instance, evidence, status: { kind: 'pending', attempts: 0 } };
  const reason: Reason = {
    code: 'TXN_ROLLED_BACK',
    message: 'no decision of it is in the log: presumed abort',
    retryable: true,
  };
  return {
    state: { kind: 'rolling-back', gtrid, branches: [branch], reason },
    effects: [finishEffect(branch, 'rollback')],
  };
}

/**
 * A decision whose branches were all accounted for before: late messages about it are answered from this state. Some may have been
 * accounted for by an operator's word only, and be prepared still: the decided opening is committed whenever it is found (D2).
 */
export function decidedLongAgo(record: Extract<LogRecord, { kind: 'decided' }>): State {
  const branches = record.branches.map(({ bqual, evidence }): FinishingBranch => {
    return { bqual, instance: '', evidence, status: { kind: 'proven' } };
  });
  return {
    kind: 'completed',
    gtrid: record.gtrid,
    decision: 'commit',
    outcome: 'committed',
    branches,
    scope: recordedScope(record),
    reason: undefined,
    logged: true,
  };
}
