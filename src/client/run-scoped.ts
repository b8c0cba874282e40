// A function in a scope: what it does about the transaction that is there, and what its failure means for that.

import { within } from '../lib/wait.ts';
import { TransactionRolledBackError } from './public/errors.ts';
import { checkScopeOptions, type Propagation, type ScopeOptions } from './public/options.ts';
import type { TransactionWork } from './public/transaction.ts';
import { type Beginner, type RunEnvironment, runTransaction, unlessAborted } from './run.ts';
import type { Ambient, ScopedTransaction, Surroundings } from './scope/ambient.ts';
import { planOf } from './scope/propagation.ts';
import { isKept } from './scope/rollback-on.ts';

interface ScopeParts {
  readonly ambient: Ambient;
  readonly beginner: Beginner;
  readonly environment: RunEnvironment;
}

/** Either a transaction of the scope's own, one that it joined, or none. */
export type ScopedFunction<T> = (tx: TransactionWork | undefined) => Promise<T> | T;

/** As `Concordat.transaction` says. */
export async function runScoped<T>(
  { ambient, beginner, environment }: ScopeParts,
  work: ScopedFunction<T>,
  options: ScopeOptions,
  usual: Propagation,
): Promise<T> {
  checkScopeOptions(options);
  const plan = planOf(options.propagation ?? usual, ambient.now);
  switch (plan.kind) {
    case 'begin': {
      const scoped = (tx: ScopedTransaction): Promise<T> | T => ambient.inside({ tx, level: tx.root }, () => work(tx));
      return await runTransaction(beginner, environment, scoped, options);
    }
    case 'without':
      return await ambient.outside(() => work(undefined));
    case 'join': {
      const { surroundings } = plan;
      return await joined(surroundings, () => bounded(environment, surroundings.tx, work, options), options);
    }
    case 'nest': {
      const { tx } = plan.surroundings;
      checkJoining(tx, options);
      return await tx.nested(() => bounded(environment, tx, work, options), options.rollbackOn);
    }
  }
}

/** A failure of it is the whole's, or that of the nested scope around it. */
async function joined<T>({ tx, level }: Surroundings, work: () => Promise<T>, options: ScopeOptions): Promise<T> {
  checkJoining(tx, options);
  level.enter();
  try {
    return await work();
  } catch (error) {
    if (!isKept(error, options.rollbackOn)) {
      if (level.parent === undefined) {
        tx.scopeFailed(error);
      } else {
        level.fail(error);
      }
    }
    throw error;
  } finally {
    level.leave();
  }
}

/** A scope's own time and signal bound its function only: the transaction has its own. */
function bounded<T>(
  { clock }: RunEnvironment,
  tx: ScopedTransaction,
  work: ScopedFunction<T>,
  options: ScopeOptions,
): Promise<T> {
  const running = unlessAborted(async () => await work(tx), options.signal);
  const { timeoutMs } = options;
  return timeoutMs === undefined
    ? running
    : within(running, { clock, timeoutMs }, () => {
        const message = `The scope was at work longer than its own timeoutMs of ${timeoutMs}, within a transaction that has more.`;
        return new TransactionRolledBackError(message, { code: 'TXN_TIMEOUT', retryable: true, gtrid: tx.gtrid });
      });
}

/** @throws {TypeError} the scope asks for what the transaction that it joins does not have, and would not get it. */
function checkJoining({ startOptions, timeoutMs }: ScopedTransaction, options: ScopeOptions): void {
  const { isolation, acknowledgement } = options;
  const wrong =
    (isolation !== undefined && isolation !== startOptions.isolation && `isolation: '${isolation}'`) ||
    (options.readOnly === false && startOptions.readOnly === true && 'readOnly: false') ||
    (options.timeoutMs !== undefined &&
      timeoutMs !== undefined &&
      options.timeoutMs > timeoutMs &&
      `timeoutMs: ${options.timeoutMs}, which is more than its ${timeoutMs}`) ||
    (options.retries !== undefined && options.retries > 0 && `retries: ${options.retries}`) ||
    (acknowledgement !== undefined &&
      acknowledgement !== (startOptions.acknowledgement ?? 'applied') &&
      `acknowledgement: '${acknowledgement}'`);
  if (wrong !== false) {
    throw new TypeError(
      `A scope that joins a transaction cannot have ${wrong}: what was begun has its own. Next: leave the option out, give it to the outermost scope, or say propagation: 'requires-new'.`,
    );
  }
}
