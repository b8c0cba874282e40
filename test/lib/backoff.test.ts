// Delays between retries: they grow, have an end, and differ, so that whoever waits for one outage does not come back as one.
import { expect, test } from 'vitest';
import { backoffDelayMs } from '../../src/lib/backoff.ts';
import { systemRandom } from '../../src/lib/random.ts';

const BACKOFF = { firstMs: 100, maxMs: 5_000 };

function delays(attempt: number): readonly number[] {
  return Array.from({ length: 200 }, () => backoffDelayMs(BACKOFF, attempt, systemRandom));
}

test('retries after an outage wait longer each time, up to a limit, and are spread over half of their delay (faults F104)', () => {
  for (const [attempt, step] of [
    [1, 100],
    [2, 200],
    [6, 3_200],
    [7, 5_000],
    [10_000, 5_000],
  ] as const) {
    const drawn = delays(attempt);
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(step / 2);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(step);
    // A quarter of the step between the first and the last of two hundred: less would be a herd.
    expect(Math.max(...drawn) - Math.min(...drawn)).toBeGreaterThan(step / 4);
  }
});
