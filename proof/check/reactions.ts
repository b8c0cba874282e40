// What one step of the coordinator asks for, boiled down to what the world has to do.
import type { Effect, Event } from '../../src/coordinator/engine/event.ts';
import type { RoutedCall } from '../../src/coordinator/engine/routing.ts';
import type { State } from '../../src/coordinator/engine/state.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { branchOf } from './names.ts';

export interface Reaction {
  /** The number of the next state. */
  readonly next: number;
  readonly calls: readonly RoutedCall[];
  /** The branch that is called to commit in one phase. */
  readonly onePhase: number | undefined;
  readonly records: readonly LogRecord[];
  /** A bit for each branch that is told to commit. */
  readonly commits: number;
  readonly answersApplied: boolean;
  readonly answers: boolean;
  /** A commit of branches that wrote nothing, or of none: completed at once, and nothing is in the log. */
  readonly isTrivialCommit: boolean;
  /** Nothing changes, and nothing is asked for. */
  readonly isNothing: boolean;
  /** An assertion that failed, or a rule that a single step breaks. */
  readonly problem: string | undefined;
  /** The same step from the same state, spelled otherwise, does something else: nothing that follows could be trusted. */
  readonly doubt: string | undefined;
}

export const NOTHING: Omit<Reaction, 'next'> = {
  calls: [],
  onePhase: undefined,
  records: [],
  commits: 0,
  answersApplied: false,
  answers: false,
  isTrivialCommit: false,
  isNothing: true,
  problem: undefined,
  doubt: undefined,
};

export function reactionOf(
  before: { readonly state: State | undefined; readonly number: number },
  event: Event | undefined,
  { state, effects }: { readonly state: State | undefined; readonly effects: readonly Effect[] },
  next: number,
): Reaction {
  const finishes = effects.filter((effect) => effect.kind === 'finish');
  const onePhase = finishes.find(({ verb }) => verb === 'commit-one-phase');
  const calls = effects.flatMap((effect): readonly RoutedCall[] => {
    switch (effect.kind) {
      case 'prepare':
        return [{ verb: 'prepare', bqual: effect.bqual, instance: effect.instance, evidence: NO_EVIDENCE }];
      case 'finish':
        return [effect];
      default:
        return [];
    }
  });
  const records = effects.flatMap((effect) =>
    effect.kind === 'decide' || effect.kind === 'record-damage' || effect.kind === 'finished' ? [effect.record] : [],
  );
  const answers = effects.filter((effect) => effect.kind === 'answer');
  const commits = finishes
    .filter(({ verb }) => verb === 'commit')
    .reduce((mask, { bqual }) => mask | (1 << branchOf(bqual)), 0);
  return {
    next,
    calls,
    onePhase: onePhase && branchOf(onePhase.bqual),
    records,
    commits,
    answersApplied: answers.some(({ level }) => level === 'applied'),
    answers: answers.length > 0,
    isTrivialCommit: isTrivial(before.state, state),
    isNothing: next === before.number && calls.length === 0 && records.length === 0,
    problem: forgotten(state, event, effects),
    doubt: undefined,
  };
}

function isTrivial(before: State | undefined, state: State | undefined): boolean {
  const isOpen = before?.kind === 'active' || before?.kind === 'preparing';
  return isOpen && state?.kind === 'completed' && state.decision === 'commit';
}

/** A branch that waits for an end and was given none needs a timer, or nobody ever asks again. */
function forgotten(state: State | undefined, event: Event | undefined, effects: readonly Effect[]): string | undefined {
  if (state === undefined || event?.kind !== 'branch-result' || state.kind === 'active' || state.kind === 'preparing') {
    return undefined;
  }
  const branches = state.kind === 'one-phase' ? [state.branch] : state.branches;
  const branch = branches.find(({ bqual }) => bqual === event.bqual);
  // In one phase an end that is not provable is being recorded, and that is the end.
  const isAsked = branch?.status.kind === 'unproven' && state.kind !== 'one-phase';
  const isOpen = state.kind !== 'completed' && (branch?.status.kind === 'pending' || isAsked);
  const isOwnVerb =
    (state.kind === 'committing' && event.verb === 'commit') ||
    (state.kind === 'rolling-back' && event.verb === 'rollback') ||
    (state.kind === 'one-phase' && event.verb === 'commit-one-phase');
  const isKept = effects.some(
    (effect) => (effect.kind === 'retry' || effect.kind === 'finish') && effect.bqual === event.bqual,
  );
  return isOpen && isOwnVerb && !isKept
    ? `D12: branch ${event.bqual} is open after ${event.result.kind}, and has no timer`
    : undefined;
}
