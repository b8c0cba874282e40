// A small universe: every event that a few branches at a few instances can cause.

import type { ClaimedBranch, Event, Verb } from '../../../src/coordinator/engine/event.ts';
import type { State } from '../../../src/coordinator/engine/state.ts';
import { NO_EVIDENCE, type Opening, rowEvidence } from '../../../src/xa/evidence.ts';
import type { FinishResult, Vote } from '../../../src/xa/vocabulary.ts';
import { type Bqual, formatBqual, type ResourceName } from '../../../src/xa/xid.ts';
import { REASON } from './world.ts';

/** States with more attempts than this differ from others in nothing but the number. */
export const ATTEMPTS_MAX = 1;

export interface Bounds {
  readonly branches: 1 | 2;
  /** A further branch that is never claimed. */
  readonly stray: boolean;
  readonly instances: 1 | 2;
}

export function universe({ branches, stray, instances }: Bounds): readonly Event[] {
  const names = ['a', 'b', 'c'].map((name) => formatBqual(name as string as ResourceName));
  const own = names.slice(0, branches);
  const places = Array.from({ length: instances }, (_, index) => `i${index + 1}`);
  const all = [...own, ...(stray ? names.slice(2) : [])];
  return [
    ...requests(own),
    ...(['deadline', 'client-lost', 'rollback-only-requested', 'operator-rollback'] as const).map(
      (kind): Event => ({ kind, reason: REASON }),
    ),
    { kind: 'decision-durable' },
    ...all.flatMap((bqual) => [...places.flatMap((instance) => reports(bqual, instance)), ...progress(bqual)]),
  ];
}

function requests(own: readonly Bqual[]): readonly Event[] {
  const lists: ClaimedBranch[][] = [[]];
  for (const bqual of own) {
    lists.push(...lists.flatMap((list) => ['i1', undefined].map((instance) => [...list, { bqual, instance }])));
  }
  return lists.flatMap((claimed): Event[] => [
    { kind: 'commit-requested', claimed, requestId: 'r1' },
    { kind: 'rollback-requested', claimed, reason: REASON },
  ]);
}

/** What an instance tells of a branch; each has evidence of its own. */
function reports(bqual: Bqual, instance: string): readonly Event[] {
  const evidence = rowEvidence(`e-${instance}` as string as Opening);
  const votes: readonly Vote[] = [
    { kind: 'prepared', evidence },
    { kind: 'read-only' },
    { kind: 'rollback', reason: REASON },
  ];
  return [
    { kind: 'enlist-requested', bqual, instance },
    { kind: 'branch-opened', bqual, instance, evidence },
    { kind: 'branch-found', bqual, instance, evidence },
    { kind: 'one-phase-evidence', bqual, instance, evidence },
    unanswered(bqual, instance, 'commit-one-phase', false),
    ...votes.map((vote): Event => ({ kind: 'vote', bqual, instance, vote })),
  ];
}

function unanswered(bqual: Bqual, instance: string | undefined, verb: Verb, wasTold: boolean): Event {
  return { kind: 'unanswered', verb, wasTold, bqual, instance, evidence: NO_EVIDENCE, reason: REASON };
}

function progress(bqual: Bqual): readonly Event[] {
  const results: readonly FinishResult[] = [
    { kind: 'done' },
    { kind: 'done-otherwise', proof: 'proof' },
    { kind: 'not-yet', reason: REASON },
    { kind: 'unknown', reason: REASON },
    { kind: 'unproven', reason: REASON },
  ];
  const verbs = ['commit', 'rollback', 'commit-one-phase'] as const;
  return [
    ...verbs.map((verb) => unanswered(bqual, undefined, verb, true)),
    unanswered(bqual, undefined, 'rollback', false),
    ...verbs.flatMap((verb) =>
      results.map((result): Event => ({ kind: 'branch-result', bqual, verb, evidence: NO_EVIDENCE, result })),
    ),
    { kind: 'retry-due', bqual },
    { kind: 'damage-durable', bqual },
    { kind: 'operator-vouched', bqual, end: 'committed', proof: 'word' },
    { kind: 'operator-vouched', bqual, end: 'rolled-back', proof: 'word' },
  ];
}

export function attemptsOf(state: State): number {
  const branches = state.kind === 'one-phase' ? [state.branch] : state.branches;
  return Math.max(
    0,
    ...branches.map((branch) => ('status' in branch && 'attempts' in branch.status ? branch.status.attempts : 0)),
  );
}
