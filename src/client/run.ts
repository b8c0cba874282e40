// A function as a transaction: begin, work, commit or roll back, and the whole again where that was asked for.
import { type Backoff, backoffDelayMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { ConcordatError } from './errors.ts';
import { checkRetries, type RunOptions, type TransactionOptions } from './options.ts';
import type { Transaction } from './transaction.ts';
import { pause } from './wait.ts';

export interface Beginner {
  beginWhenReady(options: TransactionOptions): Promise<Transaction>;
}

const RETRY: Backoff = { firstMs: 20, maxMs: 2_000 };

/** As `Concordat.transaction` says. */
export async function runTransaction<T>(
  beginner: Beginner,
  environment: { readonly clock: Clock; readonly random: Random },
  work: (tx: Transaction) => Promise<T> | T,
  options: RunOptions,
): Promise<T> {
  const { retries = 0, ...transactionOptions } = options;
  checkRetries(options.retries);
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(beginner, work, transactionOptions);
    } catch (error) {
      const again = attempt <= retries && error instanceof ConcordatError && error.retryable;
      if (!again || options.signal?.aborted === true) {
        throw error;
      }
      await pause(environment.clock, backoffDelayMs(RETRY, attempt, environment.random), options.signal);
    }
  }
}

async function runOnce<T>(
  beginner: Beginner,
  work: (tx: Transaction) => Promise<T> | T,
  options: TransactionOptions,
): Promise<T> {
  const tx = await beginner.beginWhenReady(options);
  let value: T;
  try {
    value = await unlessAborted(async () => await work(tx), options.signal);
  } catch (error) {
    await tx.rollback(`the application threw ${error instanceof Error ? error.name : typeof error}`);
    throw error;
  }
  try {
    await tx.commit();
  } catch (error) {
    // Harmless after a commit that was sent; the one that was not, because statements are unanswered, must not stay open.
    await tx.rollback('the commit failed').catch(() => undefined);
    throw error;
  }
  return value;
}

/** The work is not stopped by an abort, it only is not waited for: its next statement fails, and what it returns is not heard. */
function unlessAborted<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const running = work();
  if (signal === undefined) {
    return running;
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) {
      onAbort();
    }
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
