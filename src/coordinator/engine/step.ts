// The protocol: one function from a state and an event to the next state and what it asks for. Presumed abort; D1 to D12
// are in invariants.ts. No clock, no I/O, no promise; expected cases are never thrown.
import { unreachable } from '../../lib/assert.ts';
import { stepActive } from './active.ts';
import { stepCommitting } from './committing.ts';
import { stepCompleted } from './completed.ts';
import { stepDeciding } from './deciding.ts';
import type { Event, Step } from './event.ts';
import { stepOnePhase } from './one-phase.ts';
import { stepPreparing } from './preparing.ts';
import { stepRollingBack } from './rolling-back.ts';
import type { State } from './state.ts';

export function step(state: State, event: Event): Step<State> {
  switch (state.kind) {
    case 'active':
      return stepActive(state, event);
    case 'preparing':
      return stepPreparing(state, event);
    case 'one-phase':
      return stepOnePhase(state, event);
    case 'deciding':
      return stepDeciding(state, event);
    case 'committing':
      return stepCommitting(state, event);
    case 'rolling-back':
      return stepRollingBack(state, event);
    case 'completed':
      return stepCompleted(state, event);
    default:
      return unreachable(state);
  }
}
