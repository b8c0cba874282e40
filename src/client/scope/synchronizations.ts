// What an application hangs on the end of a transaction, after Jakarta's Synchronization: work before the commit, news after the end.
import { ConcordatError } from '../public/errors.ts';
import type { Logger } from '../public/options.ts';
import type { CompletionOutcome, Transaction } from '../public/transaction.ts';

type BeforeCommit = (tx: Transaction) => Promise<void> | void;
type AfterCompletion = (outcome: CompletionOutcome) => Promise<void> | void;

/** Of one transaction. */
export class Synchronizations {
  readonly #before: BeforeCommit[] = [];
  readonly #after: AfterCompletion[] = [];
  #isCompleted = false;

  get hasBeforeCommit(): boolean {
    return this.#before.length > 0;
  }

  get hasAfterCompletion(): boolean {
    return this.#after.length > 0;
  }

  /** @throws {TypeError} no function. */
  beforeCommit(work: BeforeCommit): void {
    checkFunction('beforeCommit', work);
    this.#before.push(work);
  }

  /** @throws {TypeError} no function. {ConcordatError} TXN_STATE: those that were there have been called. */
  afterCompletion(work: AfterCompletion): void {
    checkFunction('afterCompletion', work);
    if (this.#isCompleted) {
      throw new ConcordatError('The transaction has ended, and afterCompletion() would never be called.', {
        code: 'TXN_STATE',
        retryable: false,
      });
    }
    this.#after.push(work);
  }

  /** In order of registration, also those that are registered by one of them. @throws what one of them throws. */
  async runBefore(tx: Transaction): Promise<void> {
    for (let work = this.#before.shift(); work !== undefined; work = this.#before.shift()) {
      await work(tx);
    }
  }

  /** In order of registration; what they throw changes nothing and is logged. Never rejects. */
  async runAfter(outcome: CompletionOutcome, gtrid: string, logger: Logger | undefined): Promise<void> {
    for (let work = this.#after.shift(); work !== undefined; work = this.#after.shift()) {
      try {
        await work(outcome);
      } catch (err) {
        logger?.warn(
          { evt: 'after_completion_failed', txn: gtrid, err },
          'afterCompletion threw, which changes nothing',
        );
      }
    }
    this.#isCompleted = true;
  }
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') {
    throw new TypeError(`${name}() wants a function, not ${value === null ? 'null' : typeof value}`);
  }
}
