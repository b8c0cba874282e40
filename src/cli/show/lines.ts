// Log lines on their way to whoever reads them. Nobody has to: neither a commit nor the end of the process waits for a reader.
import { systemClock } from '../../lib/system-clock.ts';

/** What a reader may be behind. More of it is dropped: a reader that stands still must not fill the memory. */
export const OUTPUT_BYTES_MAX = 1_048_576;

/** How long a program that is over waits for its reader. */
const LAST_LINES_MS = 1_000;

/** The part of `process.stdout` that is used. */
export interface LineStream {
  /** Bytes that nobody has taken yet. */
  readonly writableLength: number;
  write(text: string, taken?: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

interface Lines {
  /** Takes one line with its end. Never throws, never waits. */
  write(line: string): void;
}

/**
 * Lines to `stream`, in order. What a pipe has room for is out of the process at once, also if it is killed then; the rest waits in
 * memory. Beyond `OUTPUT_BYTES_MAX` lines are dropped, and counted by a line of their own when there is room again. A stream that
 * failed, because its reader is gone or its disk is full, gets nothing any more: the program is worth more than its words.
 */
export function openLines(stream: LineStream): Lines {
  let isOver = false;
  let lost = 0;
  stream.on('error', () => {
    isOver = true;
  });
  return {
    write(line) {
      if (isOver) {
        return;
      }
      if (stream.writableLength > OUTPUT_BYTES_MAX) {
        lost += 1;
        return;
      }
      if (lost > 0) {
        const time = systemClock.wallTime();
        stream.write(`${JSON.stringify({ level: 'warn', time, evt: 'lines-lost', count: lost })}\n`);
        lost = 0;
      }
      stream.write(line);
    },
  };
}

/** Resolves with true when everything has been taken, and with false after a second in which it was not. */
export function allTaken(stream: LineStream): Promise<boolean> {
  if (stream.writableLength === 0) {
    return Promise.resolve(true);
  }
  return new Promise((resolve) => {
    const timer = systemClock.after(LAST_LINES_MS, () => resolve(false));
    stream.write('', () => {
      timer.cancel();
      resolve(true);
    });
  });
}
