// Runs a program until it is over: signals in, one line for the person who started it, its exit code out.
import type { Console } from '../show/console.ts';
import { printable } from '../show/escape.ts';
import { allTaken } from '../show/lines.ts';

interface Served {
  /** The exit code, once it is over. */
  readonly ended: Promise<number>;
  /** SIGTERM or SIGINT: the first drains, the second stops at once. */
  signal(): void;
  /** SIGHUP: reads again what may have changed, as its files with secrets. Absent: there is nothing. */
  reload?(): void;
}

/**
 * Waits for the start and for the end; its exit code. The person at a terminal is told with `line` that it runs; machines read the log
 * lines. SIGHUP ends nothing: a closed terminal sends it, and so does whoever has changed a secret. A signal that comes during the start
 * counts as soon as there is a program to hear it; the second one ends the process as if nobody listened, because a start may hang.
 * @throws what the start throws.
 */
export async function serveUntilEnded<Program extends Served>(
  starting: Promise<Program>,
  line: (program: Program) => string,
  console: Console,
): Promise<number> {
  let program: Program | undefined;
  let early: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (program !== undefined) {
      program.signal();
    } else if (early === undefined) {
      early = signal;
    } else {
      leave();
      process.kill(process.pid, signal);
    }
  };
  const onHangUp = (): void => program?.reload?.();
  const leave = (): void => {
    process.off('SIGHUP', onHangUp);
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  };
  process.on('SIGHUP', onHangUp);
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    program = await starting;
    if (console.terminal) {
      process.stdout.write(`${printable(line(program))}\n`);
    }
    if (early !== undefined) {
      program.signal();
    }
    return await program.ended;
  } finally {
    leave();
    if (!(await allTaken(process.stdout))) {
      // Lines that nobody takes would keep the process; it goes as soon as its exit code is set.
      setImmediate(() => process.exit());
    }
  }
}
