// Unasked: active, or asked for one phase, or waiting to be told to commit in one phase. Nobody has asked the engine to prepare the
// branch or to commit what it wrote, so that its end by this participant is certain: here, and only here, deadlines, losses and a stop
// may end it (D3).
import type { OnePhaseAnswer } from './call.ts';
import { become, type Effect, ignore, impossible, type Note, type Step, type VoteTaking } from './effect.ts';
import type { BranchEvent } from './event.ts';
import { answerOnePhase, endOnePhase } from './one-phase.ts';
import { INCOMPLETE, TIMED_OUT } from './reasons.ts';
import type { BranchIn, RolledBack, Unasked } from './state.ts';

export function stepUnasked(branch: BranchIn<Unasked>, event: BranchEvent): Step {
  switch (event.kind) {
    case 'last-statement':
      return branch.state.kind === 'active' ? takeVote(branch, { kind: 'last-statement' }) : ignore(branch);
    case 'vote-wanted':
      return takeVote(branch, voteTaking(branch.state));
    case 'session-answered':
      return branch.state.kind === 'asked' ? asked(branch, event.answer) : impossible(branch, event.kind);
    case 'session-lost': {
      const { reason } = event;
      return endUnasked(branch, rolledBack(branch.state, reason, 'engine'), { kind: 'lost', reason });
    }
    case 'damaged':
      return damaged(branch, event);
    case 'deadline':
      return endUnasked(branch, rolledBack(branch.state, TIMED_OUT, 'participant'), { kind: 'timeout' });
    case 'stop':
      return endUnasked(branch, rolledBack(branch.state, event.reason, 'participant'));
    case 'newer-life':
      // The life that it was opened in is over: there is nobody to tell.
      return become(branch, rolledBack(branch.state, event.reason, 'participant'), END);
    case 'open':
    case 'vote-taken':
    case 'session-ended':
      return impossible(branch, event.kind);
    case 'prepare-overdue':
    case 'not-listed':
    case 'listed':
    case 'list-failed':
      return ignore(branch);
  }
}

/** Its session is ended under whatever it does; what still has to be done for that runs on behind the branch's end. */
export const END: readonly Effect[] = [{ kind: 'remember' }, { kind: 'stop-deadline' }, { kind: 'end-session' }];

export function rolledBack({ opening }: Unasked, reason: RolledBack['reason'], by: RolledBack['by']): RolledBack {
  return { kind: 'rolled-back', opening, reason, by };
}

/** The coordinator hears of it unasked, so that its other branches are not kept waiting for this one. */
function endUnasked(branch: BranchIn<Unasked>, state: RolledBack, note?: Note): Step {
  const vote: Effect = { kind: 'vote', vote: { kind: 'rollback', reason: state.reason } };
  return become(branch, state, note === undefined ? [...END, vote] : [{ kind: 'note', note }, ...END, vote]);
}

function takeVote(branch: BranchIn<Unasked>, how: VoteTaking): Step {
  // A call of one phase that waits meanwhile is answered that nobody knows: the vote tells.
  return become(branch, { kind: 'preparing', opening: branch.state.opening }, [{ kind: 'take-vote', how }]);
}

/** One whose statements may still be on their way votes no: prepared now, it could be committed with some of them missing (D3). */
function voteTaking(state: Unasked): VoteTaking {
  return state.kind === 'active' && state.oneShot ? { kind: 'refuse', reason: INCOMPLETE } : { kind: 'prepare' };
}

function asked(branch: BranchIn<Unasked>, answer: OnePhaseAnswer): Step {
  if (answer.kind !== 'has-written') {
    return endOnePhase(branch, branch.state.opening, answer, [{ kind: 'stop-deadline' }]);
  }
  const { opening } = branch.state;
  return answerOnePhase(branch, { kind: 'announced', opening, evidence: answer.evidence }, answer);
}

/** It can only vote no. That it is damaged goes right behind: then the transaction is rolling back, and this is its damage (D4). */
function damaged(branch: BranchIn<Unasked>, { reason, proof }: Extract<BranchEvent, { kind: 'damaged' }>): Step {
  const { opening } = branch.state;
  return become(branch, { kind: 'left-to-engine', opening }, [
    ...END,
    { kind: 'vote', vote: { kind: 'rollback', reason } },
    { kind: 'damage', opening, proof },
  ]);
}
