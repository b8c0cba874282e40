// Runs a program until it is over: signals in, one line for the person who started it, its exit code out.
import type { Console } from './console.ts';
import { printable } from './escape.ts';

export interface Served {
  /** The exit code, once it is over. */
  readonly ended: Promise<number>;
  /** SIGTERM or SIGINT: the first drains, the second stops at once. */
  signal(): void;
}

/** Waits for the end. The person at a terminal is told with `line` that it runs; machines read the log lines. */
export async function serveUntilEnded(program: Served, line: string, console: Console): Promise<number> {
  const onSignal = (): void => program.signal();
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  if (console.terminal) {
    process.stdout.write(`${printable(line)}\n`);
  }
  try {
    return await program.ended;
  } finally {
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  }
}
