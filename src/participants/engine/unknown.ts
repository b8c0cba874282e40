// Unknown: nothing was heard of the branch in this life. Whatever speaks of it before its first statement does keeps it from being
// opened later (D9).
import { assert } from '../../lib/assert.ts';
import { become, ignore, impossible, type Step } from './effect.ts';
import type { BranchEvent } from './event.ts';
import type { Branch } from './state.ts';

export function stepUnknown(branch: Branch, event: BranchEvent): Step {
  switch (event.kind) {
    case 'open':
      return open(branch, event);
    case 'vote-wanted':
      // Whatever the list says, a first statement that comes after this question is too late.
      return event.by === 'coordinator'
        ? become(branch, { kind: 'left-to-engine', opening: undefined }, [{ kind: 'remember' }, { kind: 'list' }])
        : ignore(branch);
    case 'vote-taken':
    case 'session-answered':
    case 'session-ended':
      return impossible(branch, event.kind); // Only of a branch that was opened, which knows its own end.
    case 'last-statement':
    case 'session-lost':
    case 'damaged':
    case 'deadline':
    case 'prepare-overdue':
    case 'newer-life':
    case 'stop':
    case 'not-listed':
    case 'listed':
    case 'list-failed':
      return ignore(branch);
  }
}

/** The coordinator hears of it before its engine does: otherwise it could be opened here and committed without (D3). */
function open(branch: Branch, { opening, oneShot, named }: Extract<BranchEvent, { kind: 'open' }>): Step {
  assert(branch.calls.length === 0, 'D9: a branch that was to be finished already is not opened');
  return become(branch, { kind: 'active', opening, oneShot }, [
    { kind: 'tell-opened', opening, soon: named },
    { kind: 'start-deadline' },
    { kind: 'open-session' },
  ]);
}
