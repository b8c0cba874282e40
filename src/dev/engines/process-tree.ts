// Which processes belong to a server, and whether they are gone. A pid alone proves nothing, since numbers are used again, so a process is
// known by its pid and its start time.

import { readdir, readFile } from 'node:fs/promises';
import { systemClock } from '../../lib/system-clock.ts';
import { pause } from '../../lib/wait.ts';
import { run } from './run.ts';

interface ProcessRef {
  readonly pid: number;
  /** In the words of whoever tells: only the same words mean the same start. */
  readonly startTime: string;
}

interface ProcessState extends ProcessRef {
  readonly parent: number;
  /** Its first letter: Z is a zombie. */
  readonly state: string;
}

/** What is asked about processes. */
interface ProcessTable {
  one(pid: number): Promise<ProcessState | undefined>;
  all(): Promise<readonly ProcessState[]>;
}

/** Linux tells it in /proc, also where no `ps` is installed. */
export const procTable: ProcessTable = {
  async one(pid) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    if (text === undefined) {
      return undefined;
    }
    // The name in parentheses may itself hold spaces and parentheses; everything after the last one is fixed.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { pid, state: fields[0] ?? '', parent: Number(fields[1]), startTime: fields[19] ?? '' };
  },
  async all() {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    return (await Promise.all(pids.map(procTable.one))).filter((state) => state !== undefined);
  },
};

const PS_COLUMNS = ['-o', 'pid=', '-o', 'ppid=', '-o', 'state=', '-o', 'lstart='];

/** Everywhere else, such as on a Mac. It exits with 1 when there is no such process. */
export const psTable: ProcessTable = {
  one: async (pid) => (await run('ps', [...PS_COLUMNS, '-p', String(pid)]).then(readPs, () => []))[0],
  all: async () => readPs(await run('ps', ['-A', ...PS_COLUMNS])),
};

function readPs(text: string): readonly ProcessState[] {
  return [...text.matchAll(/^ *(\d+) +(\d+) +(\S+) +(.+?) *$/gm)].map(
    ([, pid, parent, state = '', startTime = '']) => ({
      pid: Number(pid),
      parent: Number(parent),
      state: state.slice(0, 1),
      startTime,
    }),
  );
}

const ownTable = process.platform === 'linux' ? procTable : psTable;

/** The process and its direct children, the process first. Empty when it is gone. */
export async function family(pid: number, table: ProcessTable = ownTable): Promise<readonly ProcessRef[]> {
  const self = await table.one(pid);
  return self === undefined ? [] : [self, ...(await table.all()).filter(({ parent }) => parent === pid)];
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
export async function isGone(ref: ProcessRef, table: ProcessTable = ownTable): Promise<boolean> {
  const state = await table.one(ref.pid);
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
