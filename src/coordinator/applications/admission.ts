// Whether a transaction may still be begun: not while draining, not beyond the limits, not without room for its decision.
import type { Log } from '../../log/log.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { UNFINISHED_TRANSACTIONS_MAX } from '../../xa/limits.ts';
import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../driver/registry.ts';
import type { Holder } from '../driver/transaction.ts';

interface AdmissionParts {
  readonly driver: Driver;
  readonly transactions: Registry;
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
  isOpenTo(holder: Holder): boolean {
    return !this.#draining && this.#hasPlace(holder);
  }

  /** @throws {CoordinatorError} DRAINING, LIMIT_TRANSACTIONS, LIMIT_DISK, LOG_FAILED. */
  check(holder: Holder): void {
    const { driver, transactions, log, openTransactionsMax } = this.#parts;
    driver.ensureUsable();
    if (this.#draining) {
      throw new CoordinatorError('DRAINING', 'the coordinator is shutting down');
    }
    if (!this.#hasPlace(holder)) {
      const { undecidedCount } = transactions;
      const whose = undecidedCount < openTransactionsMax ? `, too many of them by this connection` : '';
      throw new CoordinatorError('LIMIT_TRANSACTIONS', `${undecidedCount} transactions are open already${whose}`);
    }
    if (!log.hasRoom()) {
      throw new CoordinatorError('LIMIT_DISK', "the log's volume is almost full");
    }
  }

  /**
   * What is decided and waits for a participant that is away keeps nobody else from beginning (D11), as long as it fits in memory. Nor
   * does one connection of unary calls, whose transactions do not end with it as those of a session do.
   */
  #hasPlace(holder: Holder): boolean {
    const { transactions, openTransactionsMax } = this.#parts;
    return (
      transactions.undecidedCount < openTransactionsMax &&
      transactions.liveCount < openTransactionsMax + UNFINISHED_TRANSACTIONS_MAX &&
      (typeof holder !== 'string' ||
        transactions.undecidedCountOf(holder) < openTransactionsMax - Math.floor(openTransactionsMax / 2))
    );
  }
}
