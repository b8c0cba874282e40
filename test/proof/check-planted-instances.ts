// Bugs of two instances of one participant, both of them there, that the checker must find: whom the coordinator tells, and whom it believes.
import type { Event } from '../../src/coordinator/engine/event.ts';
import { routeOf } from '../../src/coordinator/engine/routing.ts';
import type { State } from '../../src/coordinator/engine/state.ts';
import { misheard, type PlantedBug } from './check-planted-bug.ts';

/** Whatever is said of the branch, its holder has said it. */
function asIfByHolder(state: State, event: Event): Event {
  const holder = holderIn(state);
  return holder !== undefined && 'instance' in event && event.kind !== 'enlist-requested'
    ? { ...event, instance: holder }
    : event;
}

function holderIn(state: State): string | undefined {
  switch (state.kind) {
    case 'active':
    case 'preparing':
      return state.branches[0]?.instance;
    case 'one-phase':
      return state.branch.instance;
    default:
      return undefined;
  }
}

export const INSTANCE_BUGS: readonly PlantedBug[] = [
  {
    name: 'what another instance says of its opening is believed of the holder’s',
    branches: 1,
    world: 'two instances',
    planted: misheard(asIfByHolder),
    violates: /^D(1|3|5)/,
  },
  {
    name: 'the newest sidecar is told to commit in one phase, not the holder of the branch',
    branches: 1,
    world: 'two instances',
    planted: {
      route: (call, there, waitedMs) =>
        call.verb === 'commit-one-phase' && there.sidecar !== undefined
          ? { kind: 'to', instance: there.sidecar }
          : routeOf(call, there, waitedMs),
    },
    violates: /^D/,
  },
  {
    name: 'one phase without evidence goes to the instance that follows its holder',
    branches: 1,
    world: 'repeats',
    planted: {
      route: (call, there, waitedMs) => {
        const route = routeOf(call, there, waitedMs);
        return route.kind === 'untold' && there.sidecar !== undefined ? { kind: 'to', instance: there.sidecar } : route;
      },
    },
    violates: /^D/,
  },
];
