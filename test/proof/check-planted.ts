// Bugs that the checker must find: each is the production protocol, or the modelled participant, with one thing done wrong.
import type { Planted } from '../../proof/check/check.ts';
import { HONEST } from '../../proof/check/honesty.ts';
import type { Effect, Event, Step } from '../../src/coordinator/engine/event.ts';
import type { Deciding, OpenBranch, State } from '../../src/coordinator/engine/state.ts';
import { step } from '../../src/coordinator/engine/step.ts';
import type { Reason } from '../../src/xa/vocabulary.ts';

export interface PlantedBug {
  readonly name: string;
  readonly branches: 1 | 2;
  /** The world in which it is looked for. */
  readonly world: string;
  /** The world is one of the larger ones. */
  readonly deep?: boolean;
  readonly planted: Planted;
  /** How the violation begins. */
  readonly violates: RegExp;
}

const REASON: Reason = { code: 'TXN_ROLLED_BACK', message: 'planted', retryable: true };

/** The step with what it gives changed. */
function changed(change: (before: State, event: Event, after: Step<State>) => Step<State>): Planted {
  return { step: (state, event) => change(state, event, step(state, event)) };
}

/** The step with what it hears changed. */
function misheard(change: (state: State, event: Event) => Event): Planted {
  return { step: (state, event) => step(state, change(state, event)) };
}

function finishAll(state: Deciding, verb: 'commit' | 'rollback'): readonly Effect[] {
  return state.branches.map(({ bqual, instance, evidence }) => ({ kind: 'finish', verb, bqual, instance, evidence }));
}

function rolledBack(state: Deciding): Step<State> {
  const { gtrid, branches } = state;
  return {
    state: { kind: 'rolling-back', gtrid, branches, reason: REASON },
    effects: [...finishAll(state, 'rollback'), { kind: 'answer', level: 'decided' }],
  };
}

function isOpen(branch: OpenBranch): boolean {
  return branch.vote === undefined;
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'branches are told to commit before the decision is forced',
    branches: 1,
    world: 'crashes',
    planted: changed((_before, _event, after) =>
      after.state.kind === 'deciding' && after.effects.some(({ kind }) => kind === 'decide')
        ? { state: after.state, effects: [...after.effects, ...finishAll(after.state, 'commit')] }
        : after,
    ),
    violates: /^D1/,
  },
  {
    name: 'a missing vote counts as a yes',
    branches: 2,
    world: 'crashes',
    planted: changed((_before, event, after) => {
      let { state, effects } = after;
      for (let missing = awaited(state); event.kind === 'vote' && missing !== undefined; missing = awaited(state)) {
        const { bqual, instance } = missing;
        const next = step(state, { kind: 'vote', bqual, instance, vote: { kind: 'prepared', evidence: '' } });
        state = next.state;
        effects = [...effects, ...next.effects];
      }
      return { state, effects };
    }),
    violates: /^D3/,
  },
  {
    name: 'a restart presumes commit',
    branches: 1,
    world: 'crashes',
    planted: {
      admitted: ({ state, effects }) => ({
        state,
        effects: effects.map((effect) =>
          effect.kind === 'finish' && effect.verb === 'rollback' ? { ...effect, verb: 'commit' } : effect,
        ),
      }),
    },
    violates: /^D1/,
  },
  {
    name: 'a restart drops the decisions that it finds',
    branches: 1,
    world: 'crashes',
    planted: { recovered: () => undefined },
    violates: /^D(4|5|12)/,
  },
  {
    name: 'a force that fails is an abort',
    branches: 1,
    world: 'crashes',
    planted: { forceFailed: (state) => (state.kind === 'deciding' ? rolledBack(state) : undefined) },
    violates: /^D(2|5)/,
  },
  {
    name: 'a deadline turns a decision that is being written',
    branches: 1,
    world: 'crashes',
    planted: changed((before, event, after) =>
      before.kind === 'deciding' && event.kind === 'deadline' ? rolledBack(before) : after,
    ),
    violates: /^D2/,
  },
  {
    name: 'a commit is answered before its decision is durable',
    branches: 1,
    world: 'crashes',
    planted: changed((_before, _event, after) =>
      after.state.kind === 'deciding'
        ? { ...after, effects: [...after.effects, { kind: 'answer', level: 'decided' }] }
        : after,
    ),
    violates: /^D5/,
  },
  {
    name: 'the transaction is forgotten after the first acknowledgement',
    branches: 2,
    world: 'crashes',
    planted: changed((before, event, after) =>
      before.kind === 'committing' && event.kind === 'branch-result' && event.result.kind === 'done'
        ? {
            state: {
              ...{ kind: 'completed', gtrid: before.gtrid, decision: 'commit', outcome: 'committed' },
              ...{ branches: before.branches, reason: undefined, logged: true },
            },
            effects: [
              { kind: 'finished', record: { kind: 'finished', gtrid: before.gtrid } },
              { kind: 'answer', level: 'applied' },
            ],
          }
        : after,
    ),
    violates: /^D(5|6, D7)/,
  },
  {
    name: 'two branches are committed in one phase',
    branches: 2,
    world: 'crashes',
    planted: changed((before, event, after) => {
      const [first] = after.state.kind === 'preparing' ? after.state.branches : [];
      if (before.kind !== 'active' || event.kind !== 'commit-requested' || first === undefined) {
        return after;
      }
      const { bqual, instance } = first;
      const branch = { bqual, instance, evidence: '', status: { kind: 'pending', attempts: 0 } } as const;
      return {
        state: { kind: 'one-phase', gtrid: before.gtrid, branch },
        effects: [{ kind: 'finish', verb: 'commit-one-phase', bqual, instance, evidence: '' }],
      };
    }),
    violates: /^D3/,
  },
  {
    name: 'one vote is forgotten, and the decision does not name its branch',
    branches: 2,
    world: 'crashes',
    planted: changed((_before, _event, after) => {
      const decide = after.effects.find((effect) => effect.kind === 'decide');
      if (decide === undefined || after.state.kind !== 'deciding' || decide.record.branches.length < 2) {
        return after;
      }
      const record = { ...decide.record, branches: decide.record.branches.slice(1) };
      return { state: { ...after.state, branches: after.state.branches.slice(1) }, effects: [{ ...decide, record }] };
    }),
    violates: /^D3/,
  },
  {
    name: 'a read-only vote counts as prepared',
    branches: 2,
    world: 'crashes',
    planted: misheard((_state, event) =>
      event.kind === 'vote' && event.vote.kind === 'read-only'
        ? { ...event, vote: { kind: 'prepared', evidence: '' } }
        : event,
    ),
    violates: /^D3/,
  },
  {
    name: 'a no counts as a read-only vote',
    branches: 2,
    world: 'crashes',
    planted: misheard((_state, event) =>
      event.kind === 'vote' && event.vote.kind === 'rollback' ? { ...event, vote: { kind: 'read-only' } } : event,
    ),
    violates: /^D3/,
  },
  {
    name: 'a branch that was opened and that the client does not name is left out of account',
    branches: 2,
    world: 'crashes',
    planted: changed((before, event, after) => {
      if (before.kind !== 'active' || event.kind !== 'commit-requested' || after.state.kind !== 'rolling-back') {
        return after;
      }
      const named = before.branches.filter(({ bqual }) => event.claimed.some((claimed) => claimed.bqual === bqual));
      return before.rollbackOnly === undefined ? step({ ...before, branches: named }, event) : after;
    }),
    violates: /^D3/,
  },
  {
    name: 'a late yes revives a transaction that rolls back',
    branches: 1,
    world: 'crashes',
    planted: changed((before, event, after) =>
      before.kind === 'rolling-back' && event.kind === 'vote' && event.vote.kind === 'prepared'
        ? {
            state: after.state,
            effects: [
              { kind: 'finish', verb: 'commit', bqual: event.bqual, instance: '', evidence: event.vote.evidence },
            ],
          }
        : after,
    ),
    violates: /^D1/,
  },
  {
    name: 'proof of the opposite counts as done',
    branches: 1,
    world: 'people',
    planted: misheard((_state, event) =>
      event.kind === 'branch-result' && event.result.kind === 'done-otherwise'
        ? { ...event, result: { kind: 'done' } }
        : event,
    ),
    violates: /^D(4|5|6)/,
  },
  {
    name: 'an end that no engine proves counts as done',
    branches: 1,
    world: 'evidence',
    planted: misheard((_state, event) =>
      event.kind === 'branch-result' && event.result.kind === 'unproven'
        ? { ...event, result: { kind: 'done' } }
        : event,
    ),
    violates: /^D(5|6)/,
  },
  {
    name: 'a branch that is not done yet is not asked again',
    branches: 1,
    world: 'crashes',
    planted: changed((_before, _event, { state, effects }) => ({
      state,
      effects: effects.filter(({ kind }) => kind !== 'retry'),
    })),
    violates: /^D12/,
  },
  {
    name: 'a stray branch is left prepared',
    branches: 1,
    world: 'crashes',
    planted: { admitted: () => ({ state: undefined, effects: [] }) },
    violates: /^D12/,
  },
  {
    name: 'a participant takes a name that its engine does not know for done',
    branches: 1,
    world: 'people',
    planted: { participant: { ...HONEST, ofUnlisted: () => 'done' } },
    violates: /^D(4|5|6)/,
  },
  {
    name: 'a participant votes yes although its engine rolled the branch back',
    branches: 2,
    world: 'crashes',
    planted: { participant: { ...HONEST, voteOfRefused: 'yes' } },
    violates: /^D3/,
  },
  {
    name: 'a participant votes yes for a branch that its engine does not list',
    branches: 2,
    world: 'clients, crashes',
    deep: true,
    planted: { participant: { ...HONEST, voteOfUnlisted: 'yes' } },
    violates: /^D/,
  },
];

function awaited(state: State): OpenBranch | undefined {
  return state.kind === 'preparing' ? state.branches.find(isOpen) : undefined;
}
