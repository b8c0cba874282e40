// Runs one life of the log as a process under strace, and collects what it told. It is killed with whoever started it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Scratch } from './scratch.ts';
import type { Told, WorkloadPlan } from './workload.ts';

const WORKLOAD = join(import.meta.dirname, 'workload.ts');

export interface WorkloadRun {
  /** The exit code, or the name of the signal that ended it. */
  readonly ended: number | string;
  readonly told: readonly Told[];
  readonly errors: string;
}

/** Resolves when the life has ended; it is killed when that takes longer than `withinMs`. */
export async function runWorkload(
  scratch: Scratch,
  strace: readonly string[],
  plan: WorkloadPlan,
  withinMs = 60_000,
): Promise<WorkloadRun> {
  const args = ['-f', '-q', '--seccomp-bpf', ...strace, process.execPath, WORKLOAD, JSON.stringify(plan)];
  const child = spawn('strace', args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const release = scratch.own(child, true);
  const timer = setTimeout(release, withinMs);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(timer);
  // The last line of a killed process may be half of one.
  const lines = output.split('\n').filter((line) => line.endsWith('}'));
  return { ended: signal ?? code ?? 0, told: lines.map((line) => JSON.parse(line) as Told), errors };
}
