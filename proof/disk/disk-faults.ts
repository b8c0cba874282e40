// The proof that a failing system call loses nothing: each call of a life of the log fails in a run of its own, who waits is told
// the truth, and the next start reads it.
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { dice } from './dice.ts';
import type { Census, Fault, Scene } from './fault-plan.ts';
import { CALLS, everyFault, injection, nameOfFault, SCENES, sampled } from './fault-plan.ts';
import { judgeByStarting } from './judge.ts';
import type { Progress } from './progress.ts';
import { runWorkload, type WorkloadRun } from './run-workload.ts';
import type { Scratch } from './scratch.ts';
import { openScratch } from './scratch.ts';
import { Testimony } from './testimony.ts';
import type { Told, WorkloadPlan } from './workload.ts';

export interface DiskFaultsOptions {
  readonly seed: number;
  /** Runs; undefined: every fault. */
  readonly sample: number | undefined;
  readonly transactions: number;
  readonly processes: number;
  /** Only this one. */
  readonly only: Fault | undefined;
}

export const DISK_FAULTS: DiskFaultsOptions = {
  seed: 1,
  sample: undefined,
  transactions: 12,
  processes: availableParallelism(),
  only: undefined,
};

export interface FaultFinding {
  readonly fault: string;
  readonly kind: 'lost' | 'invented' | 'refused' | 'misbehaved';
  readonly why: string;
}

export interface DiskFaultsReport {
  readonly seed: number;
  readonly runs: number;
  /** Runs in which the call came; the others ended before it, since threads take turns differently each time. */
  readonly struck: number;
  /** Runs in which somebody was told `LOG_FAILED`; in the others the log was refused, or went on rightly. */
  readonly failed: number;
  readonly refusedStarts: number;
  readonly lost: number;
  readonly invented: number;
  /** The fixed disk's log did not start. */
  readonly refused: number;
  /** It crashed, hung, gave a wrong code or acknowledged after a failure. */
  readonly misbehaved: number;
  readonly seconds: number;
  readonly findings: readonly FaultFinding[];
}

export async function proveDiskFaults(options: DiskFaultsOptions, progress: Progress): Promise<DiskFaultsReport> {
  using scratch = openScratch();
  const begun = performance.now();
  const stage = new Stage(scratch, options);
  progress.say(() => 'counting the system calls of a life');
  const faults = options.only === undefined ? await chooseFaults(stage, options) : [options.only];
  await stage.prepare();
  const counts = { lost: 0, invented: 0, refused: 0, misbehaved: 0 };
  const sums = { runs: 0, struck: 0, failed: 0, refusedStarts: 0 };
  const findings: FaultFinding[] = [];
  progress.say(() => `${sums.runs} of ${faults.length} runs, ${findings.length} findings`);
  const waiting = [...faults];
  async function share(name: string): Promise<void> {
    for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
      const { finding, ...saw } = await stage.strike(fault, name);
      sums.runs += 1;
      sums.struck += Number(saw.struck);
      sums.failed += Number(saw.failed);
      sums.refusedStarts += Number(saw.refused);
      if (finding !== undefined) {
        counts[finding.kind] += 1;
        findings.push(finding);
      }
    }
  }
  await Promise.all(Array.from({ length: options.processes }, (_, index) => share(`run-${index}`)));
  return { seed: options.seed, ...sums, ...counts, seconds: (performance.now() - begun) / 1_000, findings };
}

async function chooseFaults(stage: Stage, options: DiskFaultsOptions): Promise<readonly Fault[]> {
  await stage.prepare();
  const faults = everyFault(await stage.census());
  return options.sample === undefined ? faults : sampled(faults, options.sample, dice(options.seed));
}

interface Struck {
  readonly struck: boolean;
  readonly failed: boolean;
  readonly refused: boolean;
  readonly finding: FaultFinding | undefined;
}

/** Where the lives take place. */
class Stage {
  readonly #scratch: Scratch;
  readonly #options: DiskFaultsOptions;
  /** What the life told that made the log of the scenes with one. */
  #earlier: readonly Told[] = [];

  constructor(scratch: Scratch, options: DiskFaultsOptions) {
    this.#scratch = scratch;
    this.#options = options;
  }

  get #base(): string {
    return join(this.#scratch.directory, 'base');
  }

  /** Makes the log that the scenes begin with, once. */
  async prepare(): Promise<void> {
    if (this.#earlier.length === 0) {
      await mkdir(this.#base);
      const run = await runWorkload(
        this.#scratch,
        ['-o', '/dev/null', '-e', 'trace=none'],
        this.#plan('worker', this.#base, 1),
      );
      this.#earlier = required(run).told;
    }
  }

  async census(): Promise<Census> {
    const scenes = new Map<Scene, ReadonlyMap<string, number>>();
    for (const scene of SCENES) {
      const directory = await this.#set(scene, 'census');
      const trace = `${directory}.trace`;
      required(await runWorkload(this.#scratch, watching(directory, trace), this.#plan(scene, directory, 2)));
      scenes.set(scene, counted(await readFile(trace, 'latin1')));
    }
    return scenes;
  }

  async strike(fault: Fault, name: string): Promise<Struck> {
    const directory = await this.#set(fault.scene, name);
    const trace = `${directory}.trace`;
    const strace = [...watching(directory, trace), '-e', injection(fault)];
    const run = await runWorkload(this.#scratch, strace, this.#plan(fault.scene, directory, 2));
    const struck = /\((INJECTED|DELAYED)\)/.test(await readFile(trace, 'latin1'));
    const misbehaviour = misbehaviourOf(run, fault);
    const saw = {
      struck,
      failed: run.told.some(({ failed }) => failed !== undefined),
      refused: run.told.some(({ refused }) => refused !== undefined),
    };
    if (misbehaviour !== undefined) {
      return { ...saw, finding: { fault: nameOfFault(fault), kind: 'misbehaved', why: misbehaviour } };
    }
    const testimony = new Testimony();
    for (const told of [...(fault.scene === 'making' ? [] : this.#earlier), ...run.told]) {
      testimony.hear(told);
    }
    const verdict = await judgeByStarting(directory, testimony);
    return { ...saw, finding: verdict.kind === 'whole' ? undefined : { fault: nameOfFault(fault), ...verdict } };
  }

  #plan(scene: Scene, directory: string, life: number): WorkloadPlan {
    const { seed, transactions } = this.#options;
    const lane = scene === 'inline' ? 'inline' : 'worker';
    // The inline lane must stay what it is, however slow strace makes it.
    return {
      directory,
      seed: seed + life,
      life,
      transactions,
      lane,
      slowAfter: lane === 'inline' ? 1e9 : 0,
      end: 'close',
    };
  }

  async #set(scene: Scene, name: string): Promise<string> {
    const directory = join(this.#scratch.directory, name);
    await rm(directory, { recursive: true, force: true });
    await (scene === 'making' ? mkdir(directory) : cp(this.#base, directory, { recursive: true }));
    return directory;
  }
}

const FILES = [
  'log.db',
  'log.db-wal',
  'log.db-shm',
  'log.db.new',
  'log.db.new-wal',
  'log.db.new-shm',
  'log.db.new-journal',
];

/** Only calls on the files of the log are counted, and may fail. */
function watching(directory: string, trace: string): readonly string[] {
  const files = [...FILES, 'lock.db', 'high-water', 'high-water.new'].map((name) => join(directory, name));
  return [...[directory, ...files].flatMap((path) => ['-P', path]), '-o', trace, '-e', `trace=${CALLS.join()}`];
}

function counted(trace: string): ReadonlyMap<string, number> {
  const threads = new Map<string, number>();
  for (const [, thread = '', call = ''] of trace.matchAll(/^(\d+) +(\w+)\(/gm)) {
    threads.set(`${thread} ${call}`, (threads.get(`${thread} ${call}`) ?? 0) + 1);
  }
  const most = new Map<string, number>();
  for (const [key, count] of threads) {
    const call = key.split(' ')[1] ?? '';
    most.set(call, Math.max(most.get(call) ?? 0, count));
  }
  return most;
}

function required(run: WorkloadRun): WorkloadRun {
  if (run.ended !== 0 || run.errors !== '') {
    throw new Error(`a life without a fault ended with ${run.ended}: ${run.errors.slice(0, 2_000)}`);
  }
  return run;
}

/** A sentence about what the log must not do, whatever its disk does. */
function misbehaviourOf(run: WorkloadRun, fault: Fault): string | undefined {
  const { ended, told, errors } = run;
  const refused = told.find((line) => line.refused !== undefined)?.refused;
  const failed = told.flatMap((line) => (line.failed === undefined ? [] : [line.failed]));
  if (refused !== undefined && refused !== 'LOG_FAILED' && refused !== 'CONFIG_INVALID') {
    return `the start was refused with ${refused}, which blames the log for its disk`;
  }
  if (ended !== (refused === undefined ? 0 : 3) || errors !== '') {
    return `the process ended with ${ended}: ${errors.slice(0, 1_000)}`;
  }
  const strange = failed.find((code) => code !== 'LOG_FAILED');
  if (strange !== undefined) {
    return `an append failed with ${strange} instead of LOG_FAILED`;
  }
  const first = told.findIndex((line) => line.failed !== undefined);
  if (first >= 0 && told.slice(first).some((line) => line.durable !== undefined)) {
    return 'an append was acknowledged after one had failed';
  }
  return fault.how === 'slow' && (failed.length > 0 || refused !== undefined)
    ? 'a slow disk failed the log'
    : undefined;
}
