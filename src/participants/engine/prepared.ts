// Prepared: the branch waits for its decision, in its engine. Nothing here ends it but a command, proven by the engine (D6); the
// participant lets go of it when others are to finish it.
import { isAtWork } from './call.ts';
import { become, does, type Effect, ignore, impossible, type Step } from './effect.ts';
import type { BranchEvent } from './event.ts';
import type { BranchIn, Prepared, PreparedToldOnePhase } from './state.ts';

type Own = BranchIn<Prepared | PreparedToldOnePhase>;

const REMEMBER: readonly Effect[] = [{ kind: 'remember' }];

export function stepPrepared(branch: Own, event: BranchEvent): Step {
  const { opening, evidence, sinceMs } = branch.state;
  switch (event.kind) {
    case 'vote-wanted':
      return event.by === 'coordinator'
        ? does(branch, [{ kind: 'vote', vote: { kind: 'prepared', evidence } }])
        : ignore(branch);
    case 'newer-life':
      // It was told as prepared when the newer life came, and is that life's to finish.
      return become(branch, { kind: 'left-to-engine', opening }, REMEMBER);
    case 'not-listed':
      // Finished by somebody else; unless it was prepared after the list was begun, or a call is finishing it just now.
      return sinceMs < event.listedMs && !isAtWork(branch.calls, evidence)
        ? become(branch, { kind: 'left-to-engine', opening }, REMEMBER)
        : ignore(branch);
    case 'open':
    case 'vote-taken':
    case 'session-answered':
    case 'session-ended':
      return impossible(branch, event.kind);
    case 'deadline': // D2: no timeout, no lost session and no stop turns what may be decided.
    case 'session-lost':
    case 'stop':
    case 'last-statement':
    case 'damaged':
    case 'prepare-overdue':
    case 'listed':
    case 'list-failed':
      return ignore(branch);
  }
}
