// What can happen next, as a number: what it is, at which branch, and a detail. A story is told from these numbers.

export const KINDS = [
  'move',
  'call',
  'report',
  'call unheard',
  'looks',
  'swept',
  'marker goes',
  'no answer',
  'not yet',
  'rerouted',
  'retry',
  'ask again',
  'commit',
  'commit again',
  'rollback',
  'rollback-only',
  'deadline',
  'client lost',
  'enlist',
  'written',
  'force failed',
  'crash',
  'operator rolls back',
  'operator vouches',
  'evicted',
] as const;

export type Kind = (typeof KINDS)[number];

export interface Action {
  readonly kind: Kind;
  readonly branch: number;
  /** Of two at the same time, the instance that acts: 0 or 1. */
  readonly instance: number;
  /** The move, the message, the variant of a request, the number of writes that are kept. */
  readonly detail: number;
}

const NUMBERS = new Map<Kind, number>(KINDS.map((kind, number) => [kind, number]));

export function actionNumber(kind: Kind, branch: number, instance: number, detail: number): number {
  return ((NUMBERS.get(kind) ?? 0) << 20) | (instance << 18) | (branch << 16) | detail;
}

export function actionOf(number: number): Action {
  return {
    kind: KINDS[number >>> 20] ?? 'move',
    branch: (number >>> 16) & 3,
    instance: (number >>> 18) & 3,
    detail: number & 0xffff,
  };
}
