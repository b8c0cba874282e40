// Retry delays: exponential with full jitter on the upper half, so that many retries of one outage spread out (faults F104).
import type { Random } from './random.ts';

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Milliseconds to wait before attempt number `attempt` (1 is the first retry): between half of the step and the step. */
export function backoffDelayMs(backoff: Backoff, attempt: number, random: Random): number {
  const step = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt - 1, 30));
  return step / 2 + (step / 2) * random.next();
}
