// Every state of a branch at its participant that turns up, with a number, and every step that was made from it, made once. The states and
// the steps are production's: src/participants/engine.
import { AssertionError } from '../../src/lib/assert.ts';
import type { Effect } from '../../src/participants/engine/effect.ts';
import type { Event } from '../../src/participants/engine/event.ts';
import { isUnprepared } from '../../src/participants/engine/queries.ts';
import { type Branch, NO_CALLS, type State, UNKNOWN } from '../../src/participants/engine/state.ts';
import type { step } from '../../src/participants/engine/step.ts';
import { PROOF, REASON } from './names.ts';

/** What a site asks of a state again and again. */
export interface BranchFacts {
  readonly branch: Branch;
  readonly kind: State['kind'];
  /** Its participant holds it, and may end it by itself. */
  readonly isUnasked: boolean;
  readonly isUnprepared: boolean;
  readonly isPrepared: boolean;
  /** Nothing else has its turn meanwhile: a session or the engine carries out what a call asked for. */
  readonly runs: 'session' | 'engine' | undefined;
}

export interface BranchStep {
  readonly next: number;
  readonly effects: readonly Effect[];
  /** An assertion that failed, or the same step from the same state, spelled otherwise, does something else. */
  readonly problem: string | undefined;
}

export class Participants {
  readonly #step: typeof step;
  readonly #facts: BranchFacts[] = [];
  readonly #numbers = new Map<string, number>();
  /** The first ways in which each state was spelled before it was made plain. */
  readonly #spellings: Branch[][] = [];
  readonly #steps: Map<string, BranchStep>[] = [];

  /** 0: nothing is known of the branch. */
  constructor(made: typeof step) {
    this.#step = made;
    this.#intern({ state: UNKNOWN, calls: NO_CALLS });
  }

  facts(number: number): BranchFacts {
    const facts = this.#facts[number];
    if (facts === undefined) {
      throw new Error(`no branch has number ${number}`);
    }
    return facts;
  }

  step(number: number, event: Event): BranchStep {
    const key = JSON.stringify(event);
    const steps = this.#steps[number];
    const known = steps?.get(key);
    if (known !== undefined) {
      return known;
    }
    const made = this.#try(number, this.facts(number).branch, event);
    const other = this.#spellings[number]?.find((spelled) => !isSame(this.#try(number, spelled, event), made));
    const doubt = other && `D9: words alone make a participant do different things: ${key} in ${JSON.stringify(other)}`;
    const judged = { ...made, problem: made.problem ?? doubt };
    steps?.set(key, judged);
    return judged;
  }

  #try(number: number, branch: Branch, event: Event): BranchStep {
    try {
      const { state, calls, effects } = this.#step(branch, event);
      return { next: this.#intern({ state, calls }), effects, problem: undefined };
    } catch (error) {
      if (error instanceof AssertionError) {
        return { next: number, effects: [], problem: `an assertion stops the participant: ${error.message}` };
      }
      throw error;
    }
  }

  #intern(spelled: Branch): number {
    const key = JSON.stringify(spelled, plain);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#facts.length;
      if (number > NUMBER_MAX) {
        throw new Error(`there are more than ${NUMBER_MAX} states of a branch: the layout has no room for them`);
      }
      this.#numbers.set(key, number);
      this.#facts.push(factsOf(JSON.parse(key) as Branch));
      this.#steps.push(new Map());
      this.#spellings.push([]);
    }
    const spellings = this.#spellings[number] ?? [];
    if (spellings.length < SPELLINGS_MAX && JSON.stringify(spelled) !== key) {
      spellings.push(spelled);
    }
    return number;
  }
}

/** As wide as `Local.held`. */
const NUMBER_MAX = 255;

const SPELLINGS_MAX = 3;

function isSame(one: BranchStep, other: BranchStep): boolean {
  return JSON.stringify(one, plain) === JSON.stringify(other, plain);
}

/** Without what no step looks at: the words of reasons and proofs, who ended it, and when it voted. */
function plain(key: string, value: unknown): unknown {
  switch (key) {
    case 'reason':
      return REASON;
    case 'proof':
      return PROOF;
    case 'by':
      return 'participant';
    default:
      return value;
  }
}

function factsOf(branch: Branch): BranchFacts {
  const { state, calls } = branch;
  const isPrepared = state.kind === 'prepared' || state.kind === 'prepared-told-one-phase';
  return {
    branch,
    kind: state.kind,
    isUnasked: state.kind === 'active' || state.kind === 'asked' || state.kind === 'announced',
    isUnprepared: isUnprepared(state),
    isPrepared,
    runs: isAt(calls, 'at-session') ? 'session' : isAt(calls, 'at-engine') ? 'engine' : undefined,
  };
}

function isAt(calls: Branch['calls'], stage: Branch['calls'][number]['stage']['kind']): boolean {
  return calls.some((call) => call.stage.kind === stage);
}
