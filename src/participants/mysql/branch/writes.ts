// Whether a branch wrote anything, by whatever means: a statement's count misses what functions and triggers did.
import type { Engine } from '../protocol/engine.ts';
import type { ResultList } from '../protocol/exchange.ts';
import { stateText, WRITE_COUNTERS } from '../sql/texts.ts';

/**
 * What one branch of a session wrote. Give it every answer.
 *
 * MariaDB counts the rows that a session has written since its reset. MySQL reports which kinds of locks its transaction has taken,
 * which is exact and free as long as nobody switches the report off; MariaDB leaves that out for a SELECT.
 */
export class Writes {
  readonly #engine: Engine;
  #isCertain = false;
  /** MySQL: the newest state of the transaction, a letter or `_` for each thing that it did. */
  #state: string | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** A statement's own count says so. */
  wrote(): void {
    this.#isCertain = true;
  }

  saw(answer: ResultList): void {
    for (const result of answer) {
      if (result.kind === 'ok') {
        this.#state = result.transactionState ?? this.#state;
      }
    }
  }

  /** False only if the engine shows that nothing was written. `ask` sends a text and gives the answer to `saw`. */
  async any(ask: (text: string) => Promise<ResultList>): Promise<boolean> {
    if (this.#isCertain) {
      return true;
    }
    if (this.#engine.kind === 'mariadb') {
      const [counters] = await ask(WRITE_COUNTERS);
      const counts = counters?.kind === 'cells' ? counters.rows.map(([, count]) => count?.toString('latin1')) : [];
      return counts.length !== 3 || counts.some((count) => count !== '0');
    }
    const [report] = await ask(stateText(this.#engine.database));
    const mode = report?.kind === 'cells' ? report.rows[0]?.[0]?.toString('latin1') : undefined;
    // A function can switch the report off and on again: it then begins anew, and no longer tells of the XA transaction (T).
    return mode !== 'STATE' || this.#state === undefined || !/^T[^wW]*$/.test(this.#state);
  }
}
