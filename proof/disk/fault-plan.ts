// Which system calls are made to fail, in which lives of a log, and how: every call that a life makes, one run for each.
import type { Roll } from './dice.ts';

/** A fresh directory in which the log is made; or a log of an earlier life, flushed by one thread or the other. */
export type Scene = 'making' | 'worker' | 'inline';
export const SCENES: readonly Scene[] = ['making', 'worker', 'inline'];

export interface Fault {
  readonly scene: Scene;
  readonly call: string;
  /** An error of the call, with a plus: of each call from then on; `slow`: it takes five seconds. */
  readonly how: string;
  /** The number of the call, counted in each thread, from 1. */
  readonly when: number;
}

export const SLOW_MS = 5_000;

/** What each call may answer. Calls that SQLite and Node do not make are there for the day on which they do. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  fsync: ['EIO', 'EIO+', 'ENOSPC', 'EINTR', 'slow'],
  fdatasync: ['EIO', 'EIO+', 'ENOSPC', 'EINTR', 'slow'],
  pwrite64: ['EIO', 'ENOSPC', 'ENOSPC+', 'EDQUOT', 'EINTR'],
  write: ['EIO', 'ENOSPC'],
  openat: ['EIO', 'ENOSPC', 'EMFILE', 'EINTR'],
  rename: ['EIO', 'ENOSPC', 'EINTR'],
  ftruncate: ['EIO', 'EINTR'],
  unlink: ['EIO', 'EINTR'],
};

export const CALLS = Object.keys(WAYS);

/** How often a scene makes each call: the most that one thread does. */
export type Census = ReadonlyMap<Scene, ReadonlyMap<string, number>>;

/** Every fault that can happen. */
export function everyFault(census: Census): readonly Fault[] {
  return [...census].flatMap(([scene, calls]) =>
    [...calls].flatMap(([call, count]) =>
      (WAYS[call] ?? []).flatMap((how) =>
        Array.from({ length: count }, (_, index) => ({ scene, call, how, when: index + 1 })),
      ),
    ),
  );
}

/** `count` of them: some of each kind before more of any. */
export function sampled(faults: readonly Fault[], count: number, roll: Roll): readonly Fault[] {
  const kinds = Map.groupBy(faults, ({ scene, call, how }) => `${scene} ${call} ${how}`);
  const left = [...kinds.values()].map((kind) => [...kind]);
  const chosen: Fault[] = [];
  while (chosen.length < Math.min(count, faults.length)) {
    const open = left.filter((kind) => kind.length > 0);
    for (let kind = open.length; kind > 0 && chosen.length < count; kind -= 1) {
      const [faultsOfKind = []] = open.splice(roll(kind), 1);
      chosen.push(...faultsOfKind.splice(roll(faultsOfKind.length), 1));
    }
  }
  return chosen;
}

/** The name under which a fault is run again. */
export function nameOfFault({ scene, call, how, when }: Fault): string {
  return `${scene}:${call}:${how}:${when}`;
}

export function parseFault(text: string): Fault | undefined {
  const [scene = '', call = '', how = '', when = ''] = text.split(':');
  const known = SCENES.find((name) => name === scene);
  return known === undefined || WAYS[call]?.includes(how) !== true || !/^[1-9]\d{0,5}$/.test(when)
    ? undefined
    : { scene: known, call, how, when: Number(when) };
}

/** What strace is told. */
export function injection({ call, how, when }: Fault): string {
  if (how === 'slow') {
    return `inject=${call}:delay_exit=${SLOW_MS * 1_000}:when=${when}`;
  }
  const from = how.endsWith('+') ? '+' : '';
  return `inject=${call}:error=${how.replace('+', '')}:when=${when}${from}`;
}
