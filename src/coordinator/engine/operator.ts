// What an operator may do to a transaction, judged before anything is written; and what it would do, in sentences.
import { unreachable } from '../../lib/assert.ts';
import type { ErrorCode } from '../../xa/errors.ts';
import { type Bqual, type Gtrid, gtridParts } from '../../xa/xid.ts';
import { find } from './branches.ts';
import { isHeuristic, type State } from './state.ts';

export type Resolution =
  | { readonly kind: 'rollback' }
  /** Of a transaction whose decision a restored log lacks. */
  | { readonly kind: 'commit' }
  | { readonly kind: 'branch'; readonly bqual: Bqual; readonly end: 'committed' | 'rolled-back' }
  | { readonly kind: 'forget' };

export type Judgement =
  | { readonly kind: 'allowed'; readonly effects: readonly string[] }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string };

/** `reachable`: a participant of the branch's resource is attached now, so its engine can be asked instead of a person. */
export function judge(state: State, resolution: Resolution, reachable: (bqual: Bqual) => boolean): Judgement {
  switch (resolution.kind) {
    case 'rollback':
      return judgeRollback(state);
    case 'commit':
      return refused(
        'TXN_STATE',
        `${state.gtrid} is ${state.kind} in this log: only a transaction whose decision the log has lost is committed by hand`,
      );
    case 'branch':
      return judgeBranch(state, resolution, reachable);
    case 'forget':
      return isHeuristic(state)
        ? {
            kind: 'allowed',
            effects: [
              `forget the recorded damage of ${state.gtrid}: it leaves the list; the log keeps who did it and why`,
            ],
          }
        : refused('TXN_STATE', `${state.gtrid} has no heuristic outcome to forget; it is ${state.kind}`);
    default:
      return unreachable(resolution);
  }
}

/** A person's word on a transaction that the log has lost. */
export type Word = Extract<Resolution, { kind: 'rollback' | 'commit' }>;

/** Of a transaction whose decision this log lacks. `epoch`: the log's; `kept`: the prepared branches that wait for the word. */
export function judgeLost(
  gtrid: Gtrid,
  resolution: Resolution,
  { epoch, kept }: { readonly epoch: number; readonly kept: readonly Bqual[] },
): (Extract<Judgement, { kind: 'allowed' }> & { readonly word: Word }) | Extract<Judgement, { kind: 'refused' }> {
  if (resolution.kind !== 'rollback' && resolution.kind !== 'commit') {
    return refused(
      'TXN_STATE',
      `the decision on ${gtrid} is not in this log: it is settled as a whole, with --commit or --rollback`,
    );
  }
  if (gtridParts(gtrid).epoch > epoch) {
    return refused(
      'TXN_STATE',
      `${gtrid} is of a newer epoch than this log knows: this is not its log. Find the right one`,
    );
  }
  const isCommit = resolution.kind === 'commit';
  const verb = isCommit ? 'commit' : 'roll back';
  return {
    kind: 'allowed',
    word: resolution,
    effects: [
      `the decision on ${gtrid} is not in this log: on your word it counts as ${isCommit ? 'committed' : 'rolled back'}`,
      ...kept.map((bqual) => `${verb} the prepared branch ${bqual}`),
      `${verb} every other branch of it that turns up later. What its other databases show now should agree: look first`,
    ],
  };
}

function judgeRollback(state: State): Judgement {
  switch (state.kind) {
    case 'active':
    case 'preparing':
      return {
        kind: 'allowed',
        effects: [
          `roll back ${state.gtrid}: no decision exists, and none ever will`,
          ...state.branches.map((branch) => `roll back branch ${branch.bqual}`),
        ],
      };
    case 'deciding':
    case 'committing':
      // D2: this is the promise that the whole product stands on.
      return refused('RESOLUTION_CONTRADICTS', `the decision to commit ${state.gtrid} is made and never changes`);
    case 'one-phase':
      return refused('TXN_STATE', `the only branch of ${state.gtrid} was asked to commit; its engine decides`);
    case 'rolling-back':
      return refused('TXN_STATE', `${state.gtrid} is rolling back already`);
    case 'completed':
      return refused('TXN_STATE', `${state.gtrid} is completed: ${state.outcome}`);
    default:
      return unreachable(state);
  }
}

function judgeBranch(
  state: State,
  resolution: Extract<Resolution, { kind: 'branch' }>,
  reachable: (bqual: Bqual) => boolean,
): Judgement {
  const { bqual, end } = resolution;
  if (state.kind !== 'committing') {
    return refused(
      'TXN_STATE',
      `a branch is vouched for only while its transaction is committing; ${state.gtrid} is ${state.kind}`,
    );
  }
  const branch = find(state.branches, bqual);
  if (branch === undefined) {
    const names = state.branches.map((other) => other.bqual).join(', ');
    return refused('FIELD_INVALID', `${state.gtrid} has no branch ${bqual}; it has ${names}`);
  }
  const open = branch.status.kind === 'unproven' || (branch.status.kind === 'pending' && !reachable(bqual));
  if (!open) {
    return refused(
      'TXN_STATE',
      branch.status.kind === 'pending'
        ? `the participant of ${bqual} is attached and its engine is being asked; vouch only for what no engine can prove`
        : `branch ${bqual} is accounted for: ${branch.status.kind}`,
    );
  }
  return {
    kind: 'allowed',
    effects: [
      end === 'committed'
        ? `close branch ${bqual} as committed, on your word; the transaction ends as a hazard`
        : `close branch ${bqual} as rolled back against the decision, on your word; the transaction ends as mixed`,
      `nothing is sent to the database: if it still holds the branch prepared, it will be told to commit when it is seen again`,
    ],
  };
}

function refused(code: ErrorCode, message: string): Extract<Judgement, { kind: 'refused' }> {
  return { kind: 'refused', code, message };
}
