// Small operations on lists of branches that several states share.
import { assert } from '../../lib/assert.ts';
import type { LogRecord } from '../../log/record.ts';
import { areOfTwo, eitherEvidence, isSameEvidence, NO_EVIDENCE } from '../../xa/evidence.ts';
import type { Evidence, FinishResult, Reason } from '../../xa/vocabulary.ts';
import type { Bqual } from '../../xa/xid.ts';
import { isSameVote } from './damage.ts';
import type { ClaimedBranch, Effect, Event, Step, Verb } from './event.ts';
import {
  type CommitScope,
  type Damaged,
  decidedBranches,
  type FinishingBranch,
  type OpenBranch,
  type PendingEnd,
  type State,
  type YesVote,
} from './state.ts';

const NO_EFFECTS: readonly Effect[] = [];

/** The event changes nothing here: repeated, late, or not for this state (D9). */
export function ignore<S extends State>(state: S): Step<S> {
  return { state, effects: NO_EFFECTS };
}

/** Its engine has proven an end, whichever: nobody need ask for the branch any more. */
export function isEnd(result: FinishResult): result is Extract<FinishResult, { kind: 'done' | 'done-otherwise' }> {
  return result.kind === 'done' || result.kind === 'done-otherwise';
}

/** Nothing is concluded from silence: as little as from an answer that tells of no end. */
export function unknownAnswer({
  bqual,
  verb,
  evidence,
  reason,
}: Extract<Event, { kind: 'unanswered' }>): Extract<Event, { kind: 'branch-result' }> {
  return { kind: 'branch-result', bqual, verb, evidence, result: { kind: 'unknown', reason } };
}

export function find<B extends { readonly bqual: Bqual }>(branches: readonly B[], bqual: Bqual): B | undefined {
  return branches.find((branch) => branch.bqual === bqual);
}

/** `branches` with the one of the same bqual replaced. */
export function replace<B extends { readonly bqual: Bqual }>(branches: readonly B[], changed: B): readonly B[] {
  return branches.map((branch) => (branch.bqual === changed.bqual ? changed : branch));
}

/** Branches that only now become known join the list; known ones learn their instance. Undefined: two instances claim one branch. */
export function claim(
  branches: readonly OpenBranch[],
  claimed: readonly ClaimedBranch[],
): readonly OpenBranch[] | undefined {
  const result = [...branches];
  for (const { bqual, instance } of claimed) {
    const index = result.findIndex((branch) => branch.bqual === bqual);
    const known = result[index];
    if (known === undefined) {
      result.push({ bqual, instance, evidence: NO_EVIDENCE, claimed: true, vote: undefined });
    } else if (known.instance !== undefined && instance !== undefined && known.instance !== instance) {
      return undefined;
    } else {
      result[index] = { ...known, instance: known.instance ?? instance, claimed: true };
    }
  }
  return result;
}

/** Everybody who was named, for a rollback: a branch that two instances claim is in it for each of them. */
export function everyone(branches: readonly OpenBranch[], claimed: readonly ClaimedBranch[]): readonly OpenBranch[] {
  let known = branches;
  for (const one of claimed) {
    known = claim(known, [one]) ?? [...known, { ...one, evidence: NO_EVIDENCE, claimed: true, vote: undefined }];
  }
  return known;
}

/**
 * `branches` with the yes of one of them. Undefined: it is not a vote of the work that the branch stands for, because the branch is
 * not known, another instance holds it, or it has voted otherwise. Only the instance that opened a branch can vouch for all of its
 * work (D3): what another one finds or holds under the same name may be a second opening, whose report was lost. Nor does the yes of one
 * opening count for another.
 */
export function withVote(
  branches: readonly OpenBranch[],
  voter: ClaimedBranch,
  vote: YesVote,
): readonly OpenBranch[] | undefined {
  const branch = find(branches, voter.bqual);
  if (branch === undefined || (branch.instance !== undefined && branch.instance !== voter.instance)) {
    return undefined;
  }
  const evidence = vote.kind === 'prepared' ? vote.evidence : branch.evidence;
  const isOtherwise = branch.vote !== undefined && !isSameVote(branch.vote, vote);
  return isOtherwise || areOfTwo(branch.evidence, evidence)
    ? undefined
    : replace(branches, { ...branch, instance: voter.instance, evidence, vote });
}

/** Whether a report is of another opening of a known branch: at another instance, or with another mark. */
export function isSecond(known: OpenBranch, instance: string | undefined, evidence: Evidence): boolean {
  const isElsewhere = known.instance !== undefined && instance !== undefined && known.instance !== instance;
  return isElsewhere || areOfTwo(known.evidence, evidence);
}

/** A report of a known branch may tell who holds it, and which opening it is. */
export function learned<S extends Extract<State, { kind: 'active' | 'preparing' }>>(
  state: S,
  known: OpenBranch,
  instance: string | undefined,
  evidence: Evidence,
): Step<S> {
  const branch = { ...known, instance: known.instance ?? instance, evidence: eitherEvidence(known.evidence, evidence) };
  return branch.instance === known.instance && isSameEvidence(branch.evidence, known.evidence)
    ? ignore(state)
    : { state: { ...state, branches: replace(state.branches, branch) }, effects: [] };
}

/** As it enters phase two, with the evidence of its vote. */
export function finishing(branch: OpenBranch): FinishingBranch<PendingEnd> {
  const evidence = branch.vote?.kind === 'prepared' ? branch.vote.evidence : NO_EVIDENCE;
  return { bqual: branch.bqual, instance: branch.instance, evidence, status: { kind: 'pending', attempts: 0 } };
}

/** The record of the damage is durable. */
export function damaged({ bqual, instance, evidence }: FinishingBranch, proof: string): FinishingBranch<Damaged> {
  return { bqual, instance, evidence, status: { kind: 'damaged', proof, by: 'engine' } };
}

export function finishEffect(branch: FinishingBranch, verb: Verb): Extract<Effect, { kind: 'finish' }> {
  const { bqual, instance, evidence } = branch;
  return { kind: 'finish', verb, bqual, instance, evidence };
}

/** Enters phase two of a rollback. A branch that voted read-only has ended already and is left out. */
export function rollBack(
  state: Extract<State, { kind: 'active' | 'preparing' }>,
  reason: Reason,
  branches: readonly OpenBranch[] = state.branches,
  alarms: readonly Effect[] = NO_EFFECTS,
): Step<State> {
  const told = branches
    .filter((branch) => branch.vote?.kind !== 'read-only')
    .filter((branch, index, all) => all.findIndex((other) => isSame(other, branch)) === index)
    .map((branch) => ({ ...finishing(branch), evidence: branch.evidence }));
  // A branch that two instances opened is told at both, and is one branch of the transaction.
  const pending = told.filter((branch, index) => find(told, branch.bqual) === told[index]);
  const answer: Effect = { kind: 'answer', level: 'decided' };
  if (pending.length === 0) {
    return {
      state: {
        kind: 'completed',
        gtrid: state.gtrid,
        decision: 'rollback',
        outcome: 'rolled-back',
        branches: [],
        reason,
        presumed: undefined,
        logged: false,
      },
      effects: [...alarms, answer, { kind: 'answer', level: 'applied' }],
    };
  }
  return {
    state: { kind: 'rolling-back', gtrid: state.gtrid, branches: pending, reason, presumed: undefined },
    effects: [...alarms, ...told.map((branch) => finishEffect(branch, 'rollback')), answer],
  };
}

function isSame(one: OpenBranch, other: OpenBranch): boolean {
  return one.bqual === other.bqual && one.instance === other.instance && !areOfTwo(one.evidence, other.evidence);
}

/** Every branch votes, each is yes: what is prepared goes into the decision; what only read is finished. */
export function decide(
  state: Extract<State, { kind: 'active' | 'preparing' }>,
  branches: readonly OpenBranch[],
  scope: CommitScope,
  requestId: string,
): Step<State> {
  assert(
    branches.every((branch) => branch.vote !== undefined),
    'D3: no decision while a vote is missing',
  );
  const prepared = branches.filter((branch) => branch.vote?.kind === 'prepared').map(finishing);
  if (prepared.length === 0) {
    return committedWithoutRecord(state.gtrid, scope);
  }
  const { readOnly, unnamed } = scope;
  const record: LogRecord = {
    kind: 'decided',
    gtrid: state.gtrid,
    branches: decidedBranches(prepared),
    ...(readOnly.length > 0 && { readOnly }),
    ...(unnamed.length > 0 && { unnamed }),
    requestId,
  };
  return {
    state: { kind: 'deciding', gtrid: state.gtrid, branches: prepared, scope, requestId },
    effects: [{ kind: 'decide', record }],
  };
}

/** No branch, or none that wrote: there is nothing to make durable. */
export function committedWithoutRecord(gtrid: State['gtrid'], scope: CommitScope): Step<State> {
  return {
    state: {
      kind: 'completed',
      gtrid,
      decision: 'commit',
      outcome: 'committed',
      branches: [],
      scope,
      logged: false,
    },
    effects: [
      { kind: 'answer', level: 'decided' },
      { kind: 'answer', level: 'applied' },
    ],
  };
}
