// Records several lives of one log: each is a process under strace, ended by closing, by SIGKILL or by a cut of the power.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dice, seedOf } from './dice.ts';
import type { DiskEvent } from './disk.ts';
import { Disk } from './disk.ts';
import { runWorkload } from './run-workload.ts';
import type { Scratch } from './scratch.ts';
import { fatesOf } from './states.ts';
import { ignored, recording, TraceReader } from './trace.ts';
import type { WorkloadPlan } from './workload.ts';

/** How each life begins and ends. The disk forgets what was not synced only where the power is cut. */
const LIVES = [
  { lane: 'worker', slowAfter: 0, end: 'kill', powerCut: false },
  { lane: 'inline', slowAfter: 0, end: 'close', powerCut: false },
  { lane: 'inline', slowAfter: 25, end: 'kill', powerCut: true },
  { lane: 'worker', slowAfter: 0, end: 'kill', powerCut: true },
  { lane: 'inline', slowAfter: 12, end: 'close', powerCut: true },
  { lane: 'worker', slowAfter: 0, end: 'close', powerCut: false },
] as const;

export interface RecordingSettings {
  /** Empty, and on whatever is quick: what counts is which syncs are asked for. */
  readonly scratch: Scratch;
  readonly seed: number;
  readonly lives: number;
  readonly transactions: number;
}

/** Runs the lives and resolves with everything that they did to the disk. @throws {Error} when a life does not end as planned. */
export async function recordLives(settings: RecordingSettings): Promise<readonly DiskEvent[]> {
  const { scratch } = settings;
  const directory = join(scratch.directory, 'log');
  await mkdir(directory);
  const reader = new TraceReader(directory);
  const disk = new Disk();
  const events: DiskEvent[] = [];
  for (let life = 1; life <= settings.lives; life += 1) {
    const { powerCut, ...how } = LIVES[(life - 1) % LIVES.length] ?? LIVES[0];
    const trace = join(scratch.directory, 'trace');
    const seed = seedOf(settings.seed, life);
    const plan: WorkloadPlan = { directory, seed, life, transactions: settings.transactions, ...how };
    const { ended, errors } = await runWorkload(scratch, recording(trace), plan);
    if (ended !== (plan.end === 'kill' ? 'SIGKILL' : 0) || errors !== '') {
      throw new Error(`life ${life} ended with ${ended}: ${errors.slice(0, 2_000)}`);
    }
    const lived = reader.read(await readFile(trace, 'latin1'));
    for (const event of lived) {
      disk.apply(event);
      // One by one: a recording may be longer than the arguments of a call.
      events.push(event);
    }
    await requireExplained(directory, disk, reader);
    if (powerCut) {
      const cut = await cutPower(directory, disk, reader, seed);
      disk.apply(cut);
      events.push(cut);
    }
  }
  return events;
}

/** The recording must explain every byte of the directory: what it does not show, no power cut could be made to lose. */
async function requireExplained(directory: string, disk: Disk, reader: TraceReader): Promise<void> {
  const expected = new Map(disk.after(new Map()).map((file) => [file.name, file.bytes()]));
  const present = (await readdir(directory)).filter((name) => !ignored(name));
  for (const name of new Set([...present, ...expected.keys(), ...reader.names.keys()])) {
    const actual = present.includes(name) ? await readFile(join(directory, name)) : undefined;
    const bytes = expected.get(name);
    if (actual === undefined || bytes === undefined || Buffer.compare(actual, bytes) !== 0) {
      throw new Error(`the recording does not explain ${name}: ${actual?.length} bytes, not ${bytes?.length}`);
    }
  }
}

/** Leaves one of the states in which the power may have failed, as the next life's disk. */
async function cutPower(directory: string, disk: Disk, reader: TraceReader, seed: number): Promise<DiskEvent> {
  const roll = dice(seed);
  const fates = [...fatesOf(disk.pending(), 64, roll)];
  const fate = fates[roll(fates.length)] ?? new Map();
  const left = disk.after(fate).map((file) => [file.name, reader.newInode(), file.bytes()] as const);
  await rm(directory, { recursive: true });
  await mkdir(directory);
  reader.names.clear();
  for (const [name, inode, bytes] of left) {
    await writeFile(join(directory, name), bytes);
    reader.names.set(name, inode);
  }
  return { kind: 'power-cut', files: left };
}
