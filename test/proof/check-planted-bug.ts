// A bug that the checker must find: the production protocol, or the modelled participant, with one thing done wrong.
import type { Planted } from '../../proof/check/check.ts';
import type { Event, Step } from '../../src/coordinator/engine/event.ts';
import type { State } from '../../src/coordinator/engine/state.ts';
import { step } from '../../src/coordinator/engine/step.ts';

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

/** The step with what it gives changed. */
export function changed(change: (before: State, event: Event, after: Step<State>) => Step<State>): Planted {
  return { step: (state, event) => change(state, event, step(state, event)) };
}

/** The step with what it hears changed. */
export function misheard(change: (state: State, event: Event) => Event): Planted {
  return { step: (state, event) => step(state, change(state, event)) };
}
