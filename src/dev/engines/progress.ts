// Long steps, told while they last: somebody who sees no word for a minute believes that it hangs.
import { systemClock } from '../../lib/system-clock.ts';

const EVERY_MS = 10_000;

/** Says `text` before `work`, and every ten seconds that it is still at it. */
export async function withProgress<T>(
  text: string,
  onProgress: ((text: string) => void) | undefined,
  work: () => Promise<T>,
): Promise<T> {
  onProgress?.(text);
  const since = systemClock.now();
  const again = (): void => {
    onProgress?.(`still ${text}: ${Math.round((systemClock.now() - since) / 1_000)} s`);
    timer = systemClock.after(EVERY_MS, again);
  };
  let timer = systemClock.after(EVERY_MS, again);
  try {
    return await work();
  } finally {
    timer.cancel();
  }
}
