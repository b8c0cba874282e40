// Waits for what a process tells only when it is asked.
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 10;

/** @throws {Error} it did not become true in that time. */
export async function eventually(holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) {
      throw new Error(`what was waited for did not happen within ${withinMs} ms`);
    }
    await sleep(POLL_MS);
  }
}
