// Small operations on lists of branches that several states share.
import { assert } from '../../lib/assert.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import type { Bqual } from '../../xa/xid.ts';
import type { ClaimedBranch, Effect, Step, Verb } from './event.ts';
import type { FinishingBranch, FinishStatus, OpenBranch, State } from './state.ts';

const NO_EFFECTS: readonly Effect[] = [];

/** The event changes nothing here: repeated, late, or not for this state (D9). */
export function ignore<S extends State>(state: S): Step<S> {
  return { state, effects: NO_EFFECTS };
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
      result.push({ bqual, instance, claimed: true, vote: undefined });
    } else if (known.instance !== '' && instance !== '' && known.instance !== instance) {
      return undefined;
    } else {
      result[index] = { ...known, instance: known.instance === '' ? instance : known.instance, claimed: true };
    }
  }
  return result;
}

export function finishing(branch: OpenBranch, status: FinishStatus): FinishingBranch {
  const evidence = branch.vote?.kind === 'prepared' ? branch.vote.evidence : '';
  return { bqual: branch.bqual, instance: branch.instance, evidence, status };
}

export function finishEffect(branch: FinishingBranch, verb: Verb): Effect {
  const { bqual, instance, evidence } = branch;
  return { kind: 'finish', verb, bqual, instance, evidence };
}

/** A branch that the transaction does not know, or not any more: whatever it holds is rolled back. */
export function rollbackStray(bqual: Bqual, instance: string): Effect {
  return { kind: 'finish', verb: 'rollback', bqual, instance, evidence: '' };
}

/** Enters phase two of a rollback. A branch that voted read-only has ended already and is left out. */
export function rollBack(
  state: Extract<State, { kind: 'active' | 'preparing' }>,
  reason: Reason,
  branches: readonly OpenBranch[] = state.branches,
): Step<State> {
  const told = branches
    .filter((branch) => branch.vote?.kind !== 'read-only')
    .map((branch) => finishing(branch, { kind: 'pending', attempts: 0 }));
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
        logged: false,
      },
      effects: [answer, { kind: 'answer', level: 'applied' }],
    };
  }
  return {
    state: { kind: 'rolling-back', gtrid: state.gtrid, branches: pending, reason },
    effects: [...told.map((branch) => finishEffect(branch, 'rollback')), answer],
  };
}

/** Every branch votes, each is yes: what is prepared goes into the decision; what only read is finished. */
export function decide(
  state: Extract<State, { kind: 'active' | 'preparing' }>,
  branches: readonly OpenBranch[],
  requestId: string,
): Step<State> {
  assert(
    branches.every((branch) => branch.vote !== undefined),
    'D3: no decision while a vote is missing',
  );
  const prepared = branches
    .filter((branch) => branch.vote?.kind === 'prepared')
    .map((branch) => finishing(branch, { kind: 'pending', attempts: 0 }));
  if (prepared.length === 0) {
    return committedWithoutRecord(state.gtrid);
  }
  return {
    state: { kind: 'deciding', gtrid: state.gtrid, branches: prepared, requestId },
    effects: [
      {
        kind: 'decide',
        record: {
          kind: 'decided',
          gtrid: state.gtrid,
          branches: prepared.map(({ bqual, evidence }) => ({ bqual, evidence })),
          requestId,
        },
      },
    ],
  };
}

/** No branch, or none that wrote: there is nothing to make durable. */
export function committedWithoutRecord(gtrid: State['gtrid']): Step<State> {
  return {
    state: {
      kind: 'completed',
      gtrid,
      decision: 'commit',
      outcome: 'committed',
      branches: [],
      reason: undefined,
      logged: false,
    },
    effects: [
      { kind: 'answer', level: 'decided' },
      { kind: 'answer', level: 'applied' },
    ],
  };
}
