// The proof that a power cut loses nothing: records lives of the log, and shares the states that a cut may leave out to processes.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { planCuts } from './cuts.ts';
import type { DiskEvent, Lies } from './disk.ts';
import type { Examined, Finding } from './examiner.ts';
import { Examiner } from './examiner.ts';
import type { ExaminerRequest } from './examiner-process.ts';
import { recordLives } from './lives.ts';
import type { Progress } from './progress.ts';
import type { Scratch } from './scratch.ts';
import { openScratch } from './scratch.ts';

export interface CrashStatesOptions {
  readonly seed: number;
  /** Distinct states to aim for. */
  readonly states: number;
  /** Where the states would take longer than this, each moment gets fewer of them; no moment is left out. */
  readonly seconds: number;
  readonly lives: number;
  readonly transactions: number;
  /** Processes that judge. */
  readonly processes: number;
  /** Which syncs of the recording do not count: with any but `none` losses must be found. */
  readonly lies: Lies;
  readonly startOneIn: number;
  /** A recording of an earlier run, instead of a new one. */
  readonly recording: string | undefined;
}

export const CRASH_STATES: CrashStatesOptions = {
  seed: 1,
  // Some moments have fewer distinct states than their share: what comes out is a tenth less.
  states: 112_000,
  seconds: 110,
  lives: 6,
  transactions: 24,
  processes: availableParallelism(),
  lies: 'none',
  startOneIn: 500,
  recording: undefined,
};

export interface CrashStatesReport {
  readonly seed: number;
  /** Distinct contents of the disk. */
  readonly states: number;
  /** States in which something acknowledged was missing, something was there that was never appended, or the start was refused. */
  readonly lost: number;
  readonly invented: number;
  readonly refused: number;
  /** States in which the log was also started and written. */
  readonly started: number;
  readonly cuts: number;
  readonly syncs: number;
  readonly seconds: number;
  /** The first few. */
  readonly findings: readonly Finding[];
}

/** Cuts that a process gets at once. */
const SHARE = 8;
const FINDINGS_SHOWN = 20;
/** Fates that are tried for a new state: some leave what another one left. */
const FOUND_TWICE = 2;
/** States of each cut, however short the time is. */
const LIMIT_MIN = 8;
const PROCESS = join(import.meta.dirname, 'examiner-process.ts');

/** @param keep where the recording is written if something is found, so that the state can be made again. */
export async function proveCrashStates(
  options: CrashStatesOptions,
  progress: Progress,
  keep?: string,
): Promise<CrashStatesReport> {
  using scratch = openScratch();
  const begun = performance.now();
  const events = await eventsOf(options, scratch, progress);
  const recording = join(scratch.directory, 'recording');
  await writeFile(recording, serialize(events));
  const { cuts, quota } = planCuts(events, options.states, options.lies);
  const hashes = new Set<string>();
  const counts = { lost: 0, invented: 0, refused: 0 };
  const findings: Finding[] = [];
  let started = 0;
  let next = 0;
  progress.say(() => `${hashes.size} states, ${next} of ${cuts.length} cuts, ${findings.length} findings`);

  const judging = performance.now();
  /** States that each cut may have from now on, so that the time suffices for all that are left. */
  function affordable(): number {
    const spent = (performance.now() - judging) / 1_000;
    const left = Math.max(0, options.seconds - (performance.now() - begun) / 1_000);
    const pace = spent > 1 ? hashes.size / spent : Number.POSITIVE_INFINITY;
    const wanted = FOUND_TWICE * Math.max(0, options.states - hashes.size);
    return Math.max(LIMIT_MIN, Math.min(quota, Math.ceil(Math.min(pace * left, wanted) / (cuts.length - next))));
  }

  async function share(name: string): Promise<void> {
    const child = fork(PROCESS, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    scratch.own(child, false);
    const { seed, lies, startOneIn } = options;
    const directory = join(scratch.directory, name);
    child.send({
      kind: 'settings',
      recording,
      settings: { directory, seed, quota, lies, startOneIn },
    } satisfies ExaminerRequest);
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`a judging process ended with ${String(code)}`);
    });
    while (next < cuts.length) {
      const range = cuts.slice(next, next + SHARE);
      const limit = affordable();
      next += SHARE;
      child.send({ kind: 'cuts', cuts: range, limit } satisfies ExaminerRequest);
      const [examined] = (await Promise.race([once(child, 'message'), ended])) as [Examined];
      for (const hash of examined.hashes) {
        hashes.add(hash);
      }
      started += examined.started;
      for (const finding of examined.findings) {
        counts[finding.verdict.kind] += 1;
        if (findings.length < FINDINGS_SHOWN) {
          findings.push(finding);
        }
      }
    }
    ended.catch(() => undefined);
    child.disconnect();
  }

  await Promise.all(Array.from({ length: options.processes }, (_, index) => share(`state-${index}`)));
  if (findings.length > 0 && keep !== undefined) {
    await mkdir(dirname(keep), { recursive: true });
    await writeFile(keep, serialize(events));
  }
  const syncs = events.filter(({ kind }) => kind === 'sync' || kind === 'sync-names').length;
  const seconds = (performance.now() - begun) / 1_000;
  return { seed: options.seed, states: hashes.size, ...counts, started, cuts: cuts.length, syncs, seconds, findings };
}

async function eventsOf(
  options: CrashStatesOptions,
  scratch: Scratch,
  progress: Progress,
): Promise<readonly DiskEvent[]> {
  if (options.recording !== undefined) {
    return deserialize(await readFile(options.recording)) as readonly DiskEvent[];
  }
  progress.say(() => `recording ${options.lives} lives of the log`);
  return recordLives({ ...options, scratch });
}

/** Makes one state of a kept recording again, leaves it in `directory`, and judges it. */
export async function examineState(options: CrashStatesOptions, state: string, directory: string): Promise<Examined> {
  const [cut = 0, number = 0] = state.split(':').map(Number);
  const events = deserialize(await readFile(options.recording ?? '')) as readonly DiskEvent[];
  const { quota } = planCuts(events, options.states, options.lies);
  const { seed, lies } = options;
  const startOneIn = Number.POSITIVE_INFINITY;
  return new Examiner({ events, directory, seed, quota, lies, startOneIn }).examine(cut, { only: number });
}
