// Waits for a condition in the outside world, with a bound, instead of sleeping for a time that is hoped to suffice.
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 10;

/**
 * Resolves with the first value of `look` that is not `undefined` and not `false`.
 * @throws {Error} naming `what` when that took longer than `withinMs`.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 20_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) {
      return value;
    }
    if (performance.now() > end) {
      throw new Error(`not within ${withinMs} ms: ${what}`);
    }
    await sleep(POLL_MS);
  }
}
