// Preparing: the engine was asked to prepare the branch, which cannot be called back. Only its vote ends this; what comes of a branch
// whose prepare hangs is for the vote to say, too.
import { become, does, type Effect, ignore, impossible, type Step } from './effect.ts';
import type { BranchEvent } from './event.ts';
import { answerOnePhase } from './one-phase.ts';
import { ASKED_TO_VOTE } from './reasons.ts';
import type { BranchIn, Ended, Prepared, Preparing, PreparingSuperseded } from './state.ts';

type Own = BranchIn<Preparing | PreparingSuperseded>;

export function stepPreparing(branch: Own, event: BranchEvent): Step {
  switch (event.kind) {
    case 'vote-taken':
      return voted(branch, event);
    case 'session-answered':
      // 1. it was asked for one phase · 2. its session was, too · 3. it was asked for its vote · 4. the session answers. The vote tells more.
      return answerOnePhase(branch, branch.state, { kind: 'unknown', reason: ASKED_TO_VOTE });
    case 'newer-life':
      return become(branch, { kind: 'preparing-superseded', opening: branch.state.opening }, []);
    case 'deadline':
      return does(branch, [{ kind: 'limit-prepare' }]);
    case 'prepare-overdue':
      return does(branch, [{ kind: 'note', note: { kind: 'prepare-overdue' } }, { kind: 'end-prepare' }]);
    case 'open':
    case 'session-ended':
      return impossible(branch, event.kind);
    case 'vote-wanted': // Its vote is on the way.
    case 'session-lost': // Its vote says what happened (D3: a lost answer is no yes).
    case 'damaged': // Its vote says that, too.
    case 'last-statement':
    case 'stop': // Prepared, it waits for the next life; otherwise its session goes with the participant.
    case 'not-listed':
    case 'listed':
    case 'list-failed':
      return ignore(branch);
  }
}

function voted(branch: Own, event: Extract<BranchEvent, { kind: 'vote-taken' }>): Step {
  const { vote, damage } = event;
  const state = after(branch, event);
  const end: readonly Effect[] = state.kind === 'prepared' ? DONE : GONE;
  const { opening } = branch.state;
  return become(
    branch,
    state,
    damage === undefined
      ? [...end, { kind: 'vote', vote }]
      : [...end, { kind: 'vote', vote }, { kind: 'damage', opening, proof: damage }],
  );
}

const DONE: readonly Effect[] = [{ kind: 'stop-deadline' }, { kind: 'release-session' }];
const GONE: readonly Effect[] = [...DONE, { kind: 'remember' }];

function after(
  { state }: Own,
  { vote, damage, nowMs }: Extract<BranchEvent, { kind: 'vote-taken' }>,
): Prepared | Ended {
  const { opening } = state;
  if (vote.kind !== 'prepared') {
    return damage === undefined ? { kind: 'voted', opening, vote } : { kind: 'left-to-engine', opening };
  }
  // The newer life has heard that it was open, and not what became of it: it finds it in the engine's list.
  return state.kind === 'preparing-superseded'
    ? { kind: 'left-to-engine', opening }
    : { kind: 'prepared', opening, evidence: vote.evidence, sinceMs: nowMs };
}
