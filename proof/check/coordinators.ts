// Every state of the coordinator that turns up, with a number, and every step that was made from it, made once.

import { isDeepStrictEqual } from 'node:util';
import type { Effect } from '../../src/coordinator/engine/event.ts';
import { judge } from '../../src/coordinator/engine/operator.ts';
import { outcomeOf, presumedIn, type State } from '../../src/coordinator/engine/state.ts';
import { AssertionError } from '../../src/lib/assert.ts';
import { formatEvidence } from '../../src/xa/evidence.ts';
import { canonical, keyOf } from './canonical.ts';
import type { Configuration } from './configuration.ts';
import type { Events } from './events.ts';
import { type Field, Flag } from './layout.ts';
import { bqualOf, rename } from './names.ts';
import type { Protocol } from './protocol.ts';
import { NOTHING, type Reaction, reactionOf } from './reactions.ts';
import { maskOf } from './records.ts';

/** What the world asks of a state again and again. */
export interface StateFacts {
  readonly state: State | undefined;
  readonly kind: State['kind'] | 'none';
  /** Whoever asks now hears it; undefined: nothing may be told. */
  readonly told: Field | undefined;
  /** A bit for each branch whose commit, by a decision in the log, counts as proven. */
  readonly proven: number;
  /** By branch: the call whose answer is awaited; 0 commit, 1 rollback, 2 one phase, -1 none. */
  readonly awaited: readonly number[];
  /** A bit for each branch that an operator may vouch for while its participant is away. */
  readonly vouchable: number;
  readonly mayRollBack: boolean;
  /** No decision is possible any more, or it is made: the coordinator is against committing what is not in it. */
  readonly isRolledBack: boolean;
  /** A decision that is with the log contradicts it. */
  readonly isBeforeOrAgainst: boolean;
  readonly isHeuristic: boolean;
  /** It was taken in because a branch was found prepared: it is not asked how the transaction ended. */
  readonly isPresumed: boolean;
}

const TOLD = {
  committed: Flag.toldCommitted,
  'rolled-back': Flag.toldRolledBack,
  mixed: Flag.toldMixed,
  hazard: Flag.toldHazard,
} as const;

export class Coordinators {
  readonly #protocol: Protocol;
  readonly #events: Events;
  readonly #branches: number;
  readonly #hasTwo: boolean;
  readonly #numbers = new Map<string, number>();
  readonly #facts: StateFacts[] = [];
  /** The first ways in which each state was spelled before it was made canonical. */
  readonly #spellings: State[][] = [];
  readonly #reactions: (Reaction | undefined)[][] = [];

  constructor(protocol: Protocol, events: Events, { branches, twoInstances }: Configuration) {
    this.#hasTwo = twoInstances;
    this.#protocol = protocol;
    this.#events = events;
    this.#branches = branches;
    this.#facts.push(factsOf(undefined, branches));
    this.#spellings.push([]);
  }

  get size(): number {
    return this.#facts.length;
  }

  facts(number: number): StateFacts {
    const facts = this.#facts[number];
    if (facts === undefined) {
      throw new Error(`no state has number ${number}`);
    }
    return facts;
  }

  intern(spelled: State): number {
    const state = canonical(spelled, this.#hasTwo);
    const key = keyOf(state);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#facts.length;
      this.#numbers.set(key, number);
      this.#facts.push(factsOf(state, this.#branches));
      this.#spellings.push([]);
    }
    const spellings = this.#spellings[number] ?? [];
    if (spellings.length < SPELLINGS_MAX && !isDeepStrictEqual(spelled, state)) {
      spellings.push(spelled);
    }
    return number;
  }

  renamed(number: number, order: readonly number[]): number {
    const { state } = this.facts(number);
    return state === undefined ? 0 : this.intern(rename(state, order));
  }

  /** The step from state `number`, which is not 0. */
  react(number: number, event: number): Reaction {
    this.#reactions[number] ??= [];
    const known = this.#reactions[number][event];
    if (known !== undefined) {
      return known;
    }
    const { state } = this.facts(number);
    if (state === undefined) {
      throw new Error('the coordinator holds no transaction');
    }
    const reaction = this.#step(state, number, event);
    this.#reactions[number][event] = reaction;
    return reaction;
  }

  /** What a transaction that is taken in asks for, or one that is not taken in for a single time. */
  enter(step: { readonly state: State | undefined; readonly effects: readonly Effect[] }): Reaction {
    const next = step.state === undefined ? 0 : this.intern(step.state);
    return reactionOf({ state: undefined, number: 0 }, undefined, step, next);
  }

  #step(state: State, number: number, event: number): Reaction {
    const reaction = this.#try(state, number, event);
    const other = (this.#spellings[number] ?? []).find(
      (spelled) => !isDeepStrictEqual(comparable(this.#try(spelled, number, event)), comparable(reaction)),
    );
    if (other === undefined) {
      return reaction;
    }
    const asked = JSON.stringify(this.#events.get(event));
    const spelled = `${JSON.stringify(other)} and ${JSON.stringify(state)}`;
    return { ...reaction, doubt: `D9: the order of messages alone makes ${asked} do different things: ${spelled}` };
  }

  #try(state: State, number: number, event: number): Reaction {
    const asked = this.#events.get(event);
    try {
      const step = this.#protocol.step(state, asked);
      return reactionOf({ state, number }, asked, step, this.intern(step.state));
    } catch (error) {
      if (error instanceof AssertionError) {
        return { ...NOTHING, next: number, problem: `an assertion stops the coordinator: ${error.message}` };
      }
      throw error;
    }
  }
}

const SPELLINGS_MAX = 3;

/** In any order: calls are made in parallel. */
function comparable(reaction: Reaction): unknown {
  const calls = reaction.calls
    .map(({ verb, bqual, evidence }) => `${verb} ${bqual} ${formatEvidence(evidence)}`)
    .sort();
  const records = reaction.records.map((record) =>
    record.kind === 'decided'
      ? record.branches.map(({ bqual, evidence }) => `${bqual} ${formatEvidence(evidence)}`).sort()
      : record,
  );
  return { ...reaction, calls, records };
}

function factsOf(state: State | undefined, branches: number): StateFacts {
  const isDecided =
    state?.kind === 'committing' || (state?.kind === 'completed' && state.decision === 'commit' && state.logged);
  const finishing = isDecided ? state.branches : [];
  const outcome = state === undefined ? undefined : outcomeOf(state);
  const isRolledBack = state?.kind === 'rolling-back' || (state?.kind === 'completed' && state.decision === 'rollback');
  return {
    state,
    kind: state?.kind ?? 'none',
    told: outcome === undefined ? undefined : TOLD[outcome],
    proven: maskOf(finishing.filter(({ status }) => status.kind === 'proven')),
    awaited: Array.from({ length: branches }, (_, branch) => (state === undefined ? -1 : awaited(state, branch))),
    vouchable: state === undefined ? 0 : vouchable(state, branches),
    mayRollBack: state !== undefined && judge(state, { kind: 'rollback' }, () => true).kind === 'allowed',
    isRolledBack,
    isBeforeOrAgainst:
      isRolledBack || state?.kind === 'active' || state?.kind === 'preparing' || state?.kind === 'one-phase',
    isHeuristic: state?.kind === 'completed' && (state.outcome === 'mixed' || state.outcome === 'hazard'),
    isPresumed: state !== undefined && presumedIn(state) === 'branch',
  };
}

function awaited(state: State, branch: number): number {
  const bqual = bqualOf(branch);
  switch (state.kind) {
    case 'committing':
    case 'rolling-back': {
      const status = state.branches.find((other) => other.bqual === bqual)?.status.kind;
      const isAwaited = status === 'pending' || status === 'unproven';
      return isAwaited ? (state.kind === 'committing' ? 0 : 1) : -1;
    }
    case 'one-phase':
      return state.branch.bqual === bqual ? 2 : -1;
    default:
      return -1;
  }
}

function vouchable(state: State, branches: number): number {
  let mask = 0;
  for (let branch = 0; branch < branches; branch += 1) {
    const resolution = { kind: 'branch', bqual: bqualOf(branch), end: 'committed' } as const;
    mask |= judge(state, resolution, () => false).kind === 'allowed' ? 1 << branch : 0;
  }
  return mask;
}
