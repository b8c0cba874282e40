// Starts the writer process, bare or under strace, and collects what it tells. Nothing that was started outlives its test.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Told {
  readonly opened?: number;
  readonly unfinished?: number;
  readonly acknowledged?: string;
  readonly micros?: number;
  readonly lane?: string;
  readonly lateMs?: readonly number[];
  readonly pid?: number;
  readonly codes?: readonly string[];
  readonly refused?: string;
  readonly closed?: boolean;
}

export interface WriterProcess extends AsyncDisposable {
  readonly told: readonly Told[];
  /** What it and strace wrote to stderr. */
  readonly errors: () => string;
  /** Resolves with the exit code when it has ended and all that it told has been read. */
  readonly ended: Promise<number | null>;
  kill(): void;
}

const WRITER = join(import.meta.dirname, 'writer.ts');

export const hasStrace = ((): boolean => {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Without strace these tests are skipped by name, except in CI, where its absence must not go unnoticed. */
export const skipWithoutStrace = !hasStrace && process.env['CI'] !== 'true';

export interface WriterOptions {
  readonly count?: number;
  readonly lane?: 'inline' | 'worker';
  /** Arguments of strace that inject faults or write a trace; all threads of the writer are traced. Empty: no strace. */
  readonly strace?: readonly string[];
}

export function startWriter(mode: string, directory: string, options: WriterOptions = {}): WriterProcess {
  const { count = 0, lane = 'worker', strace = [] } = options;
  const node = [process.execPath, WRITER, mode, directory, String(count), lane];
  // Stopping only at the calls of interest is quicker, but then strace 6.1 does not deliver the signals that it is to inject.
  const quick = strace.some((argument) => argument.includes(':signal=')) ? [] : ['--seccomp-bpf'];
  const [command = '', ...args] = strace.length === 0 ? node : ['strace', '-f', '-q', ...quick, ...strace, ...node];
  // A group of its own: strace and the traced process are killed together.
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const told: Told[] = [];
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    // The last line of a killed process may be half of one; what it did not finish to tell, nobody was told.
    if (line.endsWith('}')) {
      told.push(JSON.parse(line) as Told);
    }
  });
  const kill = (): void => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  const ended = Promise.all([once(child, 'close'), once(lines, 'close')]).then(([[code]]) => code as number | null);
  return {
    told,
    errors: () => errors,
    ended,
    kill,
    async [Symbol.asyncDispose]() {
      kill();
      await ended;
    },
  };
}

export function acknowledgedBy(writer: WriterProcess): readonly string[] {
  return writer.told.flatMap(({ acknowledged }) => (acknowledged === undefined ? [] : [acknowledged]));
}
