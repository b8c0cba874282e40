// `--watch`: the same screen again and again, until Ctrl-C.
import { InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../../lib/system-clock.ts';
import { pause } from '../../lib/wait.ts';
import { EXIT } from '../../xa/errors.ts';
import { renderFailure, toFailure } from './failure.ts';
import { type Context, durationOption } from './globals.ts';

export interface WatchOptions {
  /** Milliseconds between two looks; undefined: one look. */
  readonly watch?: number;
}

/** More often would be work for the coordinator, and no news for a person. */
const EVERY_MS_MIN = 200;
const CLEAR = '\u001b[H\u001b[2J';

export function watchOption(): Option {
  return new Option('--watch [interval]', 'show it again every 2s, or as often as this says; Ctrl-C ends')
    .preset('2s')
    .argParser((text) => {
      const everyMs = durationOption(text);
      if (everyMs < EVERY_MS_MIN) {
        throw new InvalidArgumentError(`It must be at least ${EVERY_MS_MIN}ms.`);
      }
      return everyMs;
    });
}

/**
 * Shows once, or every `everyMs` for ever: a coordinator that does not answer is shown as that, and asked again. Ctrl-C ends the process with
 * the exit code of the last look.
 */
export async function watched(
  { console }: Context,
  everyMs: number | undefined,
  show: () => Promise<number>,
): Promise<number> {
  if (everyMs === undefined) {
    return show();
  }
  let exit: number = EXIT.ok;
  // First in line: nothing was asked to change, so that there is nothing to say about it.
  process.on('SIGINT', () => process.exit(exit));
  for (;;) {
    if (console.colored) {
      process.stdout.write(CLEAR);
    }
    try {
      exit = await show();
    } catch (error) {
      const failure = toFailure(error);
      exit = failure.exit;
      process.stderr.write(renderFailure(failure, console.output));
    }
    await pause(systemClock, everyMs);
    console.print(console.colored ? '' : '\n');
  }
}
