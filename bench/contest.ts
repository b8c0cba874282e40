// The contest: each round gives every contestant one window, in turns, so that what disturbs the machine disturbs all alike.

import type { Window } from './contestant.ts';
import { cpuTimes } from './cpu.ts';

export interface Entry {
  readonly form: string;
  run(clients: number, seconds: number): Promise<Window>;
}

export interface Measured extends Window {
  /** Microseconds of CPU for each transfer, by process. */
  readonly cpuUs: ReadonlyMap<string, number>;
  /** Forced writes of decisions for each transfer; transfers that commit at the same time share one. */
  readonly forcedWrites: number;
}

/** One round: form -> what it did. */
export type Round = ReadonlyMap<string, Measured>;

export interface ContestOptions {
  readonly clients: number;
  readonly rounds: number;
  readonly seconds: number;
  /** Processes whose CPU is counted: name -> pid. */
  readonly processes: ReadonlyMap<string, number>;
  /** Forced writes so far. */
  readonly forcedWrites: () => Promise<number>;
  readonly onProgress: (text: string) => void;
}

export async function contest(entries: readonly Entry[], options: ContestOptions): Promise<Round[]> {
  const { clients, rounds, seconds, processes, forcedWrites, onProgress } = options;
  const all: Round[] = [];
  for (let number = 0; number < rounds; number += 1) {
    const round = new Map<string, Measured>();
    // Every round starts with another one, and every other round goes backwards: nobody always follows the same neighbour.
    const turned = [...entries.slice(number % entries.length), ...entries.slice(0, number % entries.length)];
    for (const entry of number % 2 === 0 ? turned : turned.toReversed()) {
      const [before, forced] = [cpuTimes(processes), await forcedWrites()];
      const window = await entry.run(clients, seconds);
      const cpuUs = new Map(
        [...cpuTimes(processes)].map(([name, us]) => [name, (us - (before.get(name) ?? 0)) / window.committed]),
      );
      const written = (await forcedWrites()) - forced;
      round.set(entry.form, { ...window, cpuUs, forcedWrites: written / window.committed });
    }
    all.push(round);
    onProgress(`${clients} clients, round ${number + 1} of ${rounds}: ${told(round)}`);
  }
  return all;
}

function told(round: Round): string {
  const raw = round.get('raw');
  const others = [...round].filter(([form]) => form !== 'raw');
  return raw === undefined
    ? others.map(([form, window]) => `${form} ${perSecond(window).toFixed(0)}/s`).join(', ')
    : `raw ${perSecond(raw).toFixed(0)}/s; of it ${others.map(([form, window]) => `${form} ${(perSecond(window) / perSecond(raw)).toFixed(2)}`).join(', ')}`;
}

export function perSecond(window: Window): number {
  return window.committed / window.seconds;
}
