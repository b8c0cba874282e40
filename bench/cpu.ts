// CPU time of the processes that take part in a transfer, as the kernel counts it.
import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second for every program (`getconf CLK_TCK`). */
const TICK_US = 10_000;

interface ProcessTimes {
  readonly parent: number;
  /** Microseconds of this process and of the children that it has waited for. */
  readonly us: number;
}

/** Microseconds of CPU that each named process used so far, with everything it started that has no name of its own. */
export function cpuTimes(roots: ReadonlyMap<string, number>): Map<string, number> {
  const all = processes();
  const named = new Set(roots.values());
  const total = (pid: number): number => {
    let us = all.get(pid)?.us ?? 0;
    for (const [child, { parent }] of all) {
      us += parent === pid && !named.has(child) ? total(child) : 0;
    }
    return us;
  };
  return new Map([...roots].map(([name, pid]) => [name, total(pid)]));
}

function processes(): Map<number, ProcessTimes> {
  const found = new Map<number, ProcessTimes>();
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry)) {
      const times = timesOf(entry);
      if (times !== undefined) {
        found.set(Number(entry), times);
      }
    }
  }
  return found;
}

function timesOf(pid: string): ProcessTimes | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // Ended between the listing and the reading.
  }
  // The name, field 2, may hold spaces and parentheses; behind its last one come the fields from 3 on.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { parent: Number(fields[1]), us: ticks * TICK_US };
}
