// Deciding: the commit record is with the log and may be durable at any moment. Only the log's answer moves on (D2).
import { assert, unreachable } from '../../lib/assert.ts';
import { find, finishEffect, ignore } from './branches.ts';
import { contradictionOfDecided } from './damage.ts';
import type { Event, Step } from './event.ts';
import { isOtherWork, rollbackStray } from './reports.ts';
import { refuseIfOther } from './scope.ts';
import type { Deciding, State } from './state.ts';

export function stepDeciding(state: Deciding, event: Event): Step<State> {
  switch (event.kind) {
    case 'decision-durable':
      assert(state.branches.length > 0, 'D3: a decision names at least one prepared branch');
      return {
        state: { ...state, kind: 'committing' },
        // D1: the first commit that any branch hears of.
        effects: [
          ...state.branches.map((branch) => finishEffect(branch, 'commit')),
          { kind: 'answer', level: 'decided' },
        ],
      };
    case 'branch-opened':
    case 'branch-found':
    case 'vote': {
      const branch = find(state.branches, event.bqual);
      const alarms = event.kind === 'vote' ? contradictionOfDecided(branch, event, false) : [];
      // A branch that the decision does not name, or another opening of one that it names, came too late; it is rolled back alone.
      const isStray = branch === undefined || isOtherWork(branch, event);
      return { state, effects: isStray ? [...alarms, ...rollbackStray(state, event).effects] : alarms };
    }
    case 'commit-requested':
      return { state, effects: refuseIfOther(state, event.claimed, 'commit') };
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    case 'rollback-requested':
    case 'rollback-only-requested':
    case 'deadline':
    case 'client-lost':
    case 'operator-rollback':
    // D2: the record may already be durable, and they lose to it.
    case 'branch-result':
    case 'retry-due':
    case 'damage-durable':
    case 'operator-vouched':
    case 'one-phase-evidence':
    case 'unanswered':
      // No branch was told anything yet (D1): late words of what was before.
      return ignore(state);
    default:
      return unreachable(event);
  }
}
