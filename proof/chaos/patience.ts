// Waits for a condition of the outside world, with a bound.
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;

/** Whether `holds` became true within `withinMs`. An answer that is not there yet, because something is still down, is a no. */
export async function comes(
  withinMs: number,
  holds: () => Promise<boolean> | boolean,
  pollMs = POLL_MS,
): Promise<boolean> {
  const end = performance.now() + withinMs;
  for (;;) {
    if (
      await Promise.resolve()
        .then(holds)
        .catch(() => false)
    ) {
      return true;
    }
    if (performance.now() > end) {
      return false;
    }
    await sleep(pollMs);
  }
}
