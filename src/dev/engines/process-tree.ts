// Reads /proc: which processes belong to a server, and whether they are gone. A pid alone proves nothing, since numbers
// are used again, so a process is known by its pid and its start time.

import { readdir, readFile } from 'node:fs/promises';
import { systemClock } from '../../lib/system-clock.ts';
import { pause } from '../../lib/wait.ts';

interface ProcessRef {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/<pid>/stat. */
  readonly startTime: string;
}

interface ProcessState extends ProcessRef {
  readonly parent: number;
  readonly state: string;
}

async function readState(pid: number): Promise<ProcessState | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) {
    return undefined;
  }
  // The name in parentheses may itself hold spaces and parentheses; everything after the last one is fixed.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, state: fields[0] ?? '', parent: Number(fields[1]), startTime: fields[19] ?? '' };
}

/** The process and its direct children, the process first. Empty when it is gone. */
export async function family(pid: number): Promise<readonly ProcessRef[]> {
  const self = await readState(pid);
  if (self === undefined) {
    return [];
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const states = await Promise.all(pids.map(readState));
  return [self, ...states.filter((state) => state !== undefined).filter((state) => state.parent === pid)];
}

/** Sends `signal` to every process of `refs` that is still itself. */
export async function signalAll(refs: readonly ProcessRef[], signal: NodeJS.Signals): Promise<void> {
  for (const ref of refs) {
    if (!(await isGone(ref))) {
      try {
        process.kill(ref.pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
          throw error;
        }
      }
    }
  }
}

/** A zombie counts as gone: it holds no file, lock or memory, and some init processes are slow to collect it. */
export async function isGone(ref: ProcessRef): Promise<boolean> {
  const state = await readState(ref.pid);
  return state === undefined || state.startTime !== ref.startTime || state.state === 'Z' || state.state === 'X';
}

const GONE_POLL_MS = 5;
const GONE_POLLS_MAX = 4_000;

/** Resolves when all of `refs` are gone. @throws {Error} after about 20 s. */
export async function allGone(refs: readonly ProcessRef[]): Promise<void> {
  for (const ref of refs) {
    for (let polls = 0; !(await isGone(ref)); polls += 1) {
      if (polls === GONE_POLLS_MAX) {
        throw new Error(
          `process ${ref.pid} is still there ${(GONE_POLLS_MAX * GONE_POLL_MS) / 1000} s after it was killed`,
        );
      }
      await pause(systemClock, GONE_POLL_MS);
    }
  }
}
