// Waiting between two looks at something that another process does.
import { systemClock } from '../../lib/system-clock.ts';

/** Resolves `delayMs` from now at the earliest. */
export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(delayMs, resolve);
  });
}
