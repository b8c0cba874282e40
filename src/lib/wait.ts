// Waits with an end: a time limit and a caller's signal. They bound the wait and never what is waited for.
import type { Clock, Timer } from './clock.ts';

export interface WaitBounds {
  readonly clock: Clock;
  /** Milliseconds from now. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Settles as `promise` does, unless a bound is reached first.
 *
 * Rejects with what `late` makes when the time is up, and with the signal's reason when the signal aborts. What `promise` does
 * afterwards is not heard, and is never an unhandled rejection.
 */
export function within<T>(promise: Promise<T>, bounds: WaitBounds, late: () => unknown): Promise<T> {
  const { clock, timeoutMs, signal } = bounds;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted === true) {
      promise.catch(() => undefined);
      reject(signal.reason);
      return;
    }
    let timer: Timer | undefined;
    const onAbort = (): void => {
      timer?.cancel();
      reject(signal?.reason);
    };
    const done = (): void => {
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    timer = clock.after(timeoutMs, () => {
      done();
      reject(late());
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => {
        done();
        resolve(value);
      },
      (error: unknown) => {
        done();
        reject(error);
      },
    );
  });
}

/** Resolves when `promise` has settled either way, or when the time is up. */
export function atMost(promise: Promise<unknown>, bounds: Omit<WaitBounds, 'signal'>): Promise<void> {
  const over = (): void => undefined;
  return within(promise, bounds, over).then(over, over);
}

/** Resolves after `delayMs`. @throws the signal's reason when it aborts first. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
