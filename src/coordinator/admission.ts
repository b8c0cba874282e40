// Whether a transaction may still be begun: not while draining, not beyond the limits, not without room for its decision.
import type { Log } from '../log/log.ts';
import { CoordinatorError } from '../xa/errors.ts';
import { UNFINISHED_TRANSACTIONS_MAX } from '../xa/limits.ts';
import type { Driver } from './driver.ts';

export interface AdmissionParts {
  readonly driver: Driver;
  readonly log: Log;
  readonly openTransactionsMax: number;
}

export class Admission {
  readonly #parts: AdmissionParts;
  #draining = false;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** No new transactions from now on; the open ones go on. */
  drain(): void {
    this.#draining = true;
  }

  /** For what is reported: a client's Begin is also told why not. */
  get isOpen(): boolean {
    return !this.#draining && this.#hasPlace();
  }

  /** @throws {CoordinatorError} DRAINING, LIMIT_TRANSACTIONS, LIMIT_DISK, LOG_FAILED. */
  check(): void {
    const { driver, log, openTransactionsMax } = this.#parts;
    driver.ensureUsable();
    if (this.#draining) {
      throw new CoordinatorError('DRAINING', 'the coordinator is shutting down');
    }
    if (!this.#hasPlace()) {
      throw new CoordinatorError('LIMIT_TRANSACTIONS', `${openTransactionsMax} transactions are open already`);
    }
    if (!log.hasRoom()) {
      throw new CoordinatorError('LIMIT_DISK', "the log's volume is almost full");
    }
  }

  /** What is decided and waits for a participant that is away keeps nobody else from beginning (D11), as long as it fits in memory. */
  #hasPlace(): boolean {
    const { driver, openTransactionsMax } = this.#parts;
    return (
      driver.registry.undecidedCount < openTransactionsMax &&
      driver.registry.liveCount < openTransactionsMax + UNFINISHED_TRANSACTIONS_MAX
    );
  }
}
