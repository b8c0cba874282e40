// A function, or a list of statements, as a transaction: begin, work, commit or roll back, and the whole again where that was asked for.
import { type Backoff, backoffDelayMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { pause } from '../lib/wait.ts';
import { ConcordatError } from './public/errors.ts';
import { checkRetries, type RunOptions, type ScopeOptions, type TransactionOptions } from './public/options.ts';
import type { QueryResult } from './public/resource.ts';
import type { CommitResult, OneShotStatement, Transaction, TransactResult } from './public/transaction.ts';
import type { ScopedTransaction } from './scope/ambient.ts';
import { isKept, type RollbackOn } from './scope/rollback-on.ts';

export interface Beginner {
  beginWhenReady(options: TransactionOptions): Promise<RunTransaction>;
}

interface RunTransaction extends Transaction, ScopedTransaction {
  nested: ScopedTransaction['nested'];
  enlist: ScopedTransaction['enlist'];
  /** A driver's error on an enlisted connection is none of ours, and says all the same that the work may be done again. */
  isRetryable(error: unknown): boolean;
}

/** What the application's function threw, where it is worth another attempt: of the same shape to the caller as without retries. */
class WorthRetrying {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

export interface RunEnvironment {
  readonly clock: Clock;
  readonly random: Random;
}

const RETRY: Backoff = { firstMs: 20, maxMs: 2_000 };

/** A function in a transaction of its own. */
export async function runTransaction<T>(
  beginner: Beginner,
  environment: RunEnvironment,
  work: (tx: RunTransaction) => Promise<T> | T,
  options: ScopeOptions,
): Promise<T> {
  const { propagation: _, rollbackOn, ...runOptions } = options;
  const run = async (once: TransactionOptions): Promise<T> => (await runOnce(beginner, work, once, rollbackOn)).value;
  return await withRetries(environment, runOptions, run);
}

/**
 * As `Concordat.transact` says.
 * @param sendAtOnce undefined: these statements are better sent as in any other transaction, for now.
 */
export async function runStatements(
  beginner: Beginner,
  environment: RunEnvironment,
  statements: readonly OneShotStatement[],
  options: RunOptions,
  sendAtOnce: (options: TransactionOptions) => Promise<TransactResult> | undefined,
): Promise<TransactResult> {
  return await withRetries(environment, options, async (once) => {
    const sent = sendAtOnce(once);
    if (sent !== undefined) {
      return await sent;
    }
    const { gtrid, value, commit } = await runOnce(beginner, (tx) => executeAll(tx, statements), once);
    return { ...commit, gtrid, results: value };
  });
}

async function withRetries<T>(
  environment: RunEnvironment,
  options: RunOptions,
  run: (once: TransactionOptions) => Promise<T>,
): Promise<T> {
  const { retries = 0, ...transactionOptions } = options;
  checkRetries(options.retries);
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(transactionOptions);
    } catch (thrown) {
      const error = thrown instanceof WorthRetrying ? thrown.error : thrown;
      const isWorth = thrown instanceof WorthRetrying || (error instanceof ConcordatError && error.retryable);
      if (!isWorth || attempt > retries || options.signal?.aborted === true) {
        throw error;
      }
      await pause(environment.clock, backoffDelayMs(RETRY, attempt, environment.random), options.signal);
    }
  }
}

async function runOnce<T>(
  beginner: Beginner,
  work: (tx: RunTransaction) => Promise<T> | T,
  options: TransactionOptions,
  rollbackOn?: RollbackOn,
): Promise<{ readonly gtrid: string; readonly value: T; readonly commit: CommitResult }> {
  const tx = await beginner.beginWhenReady(options);
  let value: T;
  try {
    value = await unlessAborted(async () => await work(tx), options.signal);
  } catch (error) {
    await commitKept(tx, error, rollbackOn);
    await tx.rollback(`the application threw ${error instanceof Error ? error.name : typeof error}`);
    throw tx.isRetryable(error) ? new WorthRetrying(error) : error;
  }
  return { gtrid: tx.gtrid, value, commit: await commitOrRollBack(tx) };
}

async function commitOrRollBack(tx: Transaction): Promise<CommitResult> {
  try {
    return await tx.commit();
  } catch (error) {
    // Harmless after a commit that was sent; the one that was not, because statements are unanswered, must not stay open.
    await tx.rollback('the commit failed').catch(() => undefined);
    throw error;
  }
}

/** The application threw what does not roll back. @throws that error, once the work is committed; or why it is not. */
async function commitKept(tx: Transaction, error: unknown, rollbackOn: RollbackOn | undefined): Promise<void> {
  let keeps: boolean;
  try {
    keeps = isKept(error, rollbackOn);
  } catch (own) {
    await tx.rollback('rollbackOn() threw');
    throw own;
  }
  if (keeps) {
    await commitOrRollBack(tx);
    throw error;
  }
}

/** Side by side, and awaited before the commit. The last of each branch prepares it, unless it is the only one: that has one phase. */
function executeAll(tx: Transaction, statements: readonly OneShotStatement[]): Promise<readonly QueryResult[]> {
  const lastOf = new Map(statements.map(({ resource }, index) => [resource, index]));
  return Promise.all(
    statements.map(({ resource, sql, parameters, ...start }, index) => {
      const last = lastOf.size > 1 && lastOf.get(resource) === index;
      return tx.resource(resource).query(sql, parameters, { ...start, last });
    }),
  );
}

/** The work is not stopped by an abort, it only is not waited for: its next statement fails, and what it returns is not heard. */
export function unlessAborted<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
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
