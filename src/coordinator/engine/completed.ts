// Completed: the outcome stands. Late messages are answered so that no stray branch survives; nothing else changes (D9).
import { find, finishEffect, ignore, rollbackStray } from './branches.ts';
import type { Effect, Event, Step } from './event.ts';
import type { Completed, State } from './state.ts';

export function stepCompleted(state: Completed, event: Event): Step<State> {
  switch (event.kind) {
    case 'commit-requested':
    case 'rollback-requested':
      return {
        state,
        effects: [
          { kind: 'answer', level: 'decided' },
          { kind: 'answer', level: 'applied' },
        ],
      };
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    case 'branch-opened':
      return { state, effects: [rollbackStray(event.bqual, event.instance)] };
    case 'vote':
      return event.vote.kind === 'prepared' ? stillPrepared(state, event, event.vote.evidence) : ignore(state);
    case 'branch-found':
      return stillPrepared(state, event, event.evidence);
    case 'branch-result':
      return sweptResult(state, event);
    default:
      return ignore(state);
  }
}

/** A branch is prepared although the transaction is over: it follows the decision if the decision names it, else it goes. */
function stillPrepared(
  state: Completed,
  event: Extract<Event, { kind: 'vote' | 'branch-found' }>,
  evidence: string,
): Step<State> {
  const named = state.decision === 'commit' ? find(state.branches, event.bqual) : undefined;
  if (named !== undefined) {
    return { state, effects: [finishEffect({ ...named, instance: event.instance }, 'commit')] };
  }
  return { state, effects: [{ ...rollbackStray(event.bqual, event.instance), evidence } as Effect] };
}

/** What reconciliation finds out later about a branch that was left to it: a hand-made commit is damage still (D4). */
function sweptResult(state: Completed, event: Extract<Event, { kind: 'branch-result' }>): Step<State> {
  const branch = find(state.branches, event.bqual);
  if (
    state.decision !== 'rollback' ||
    event.verb !== 'rollback' ||
    event.result.kind !== 'done-otherwise' ||
    branch?.status.kind !== 'swept'
  ) {
    return ignore(state);
  }
  const { proof } = event.result;
  const branches = state.branches.map((other) =>
    other.bqual === event.bqual ? { ...other, status: { kind: 'recording-damage', proof } as const } : other,
  );
  return {
    state: {
      kind: 'rolling-back',
      gtrid: state.gtrid,
      branches,
      reason: state.reason ?? { code: 'TXN_ROLLED_BACK', message: 'rolled back', retryable: true },
    },
    effects: [
      {
        kind: 'record-damage',
        bqual: event.bqual,
        record: {
          kind: 'heuristic',
          gtrid: state.gtrid,
          decision: 'rollback',
          damage: [{ bqual: event.bqual, kind: 'committed', proof }],
        },
      },
      { kind: 'alarm', bqual: event.bqual, message: `rolled back, but ${proof}` },
    ],
  };
}
