// Whether a branch wrote anything, by whatever means: a statement's count misses what functions and triggers did.
import type { EngineKind } from './engine.ts';
import type { Answer } from './exchange.ts';
import { WRITE_COUNTERS } from './texts.ts';

/**
 * What one branch of a session wrote. Give it every answer.
 *
 * MariaDB's write counters are compared. MySQL reports which kinds of locks its transaction has taken, which is exact and free;
 * MariaDB leaves that out for a SELECT.
 */
export class Writes {
  readonly #engine: EngineKind;
  #certain = false;
  /** MariaDB: the counters just after XA START, where the first statement made them interesting. */
  #before: string | undefined;
  #now: string | undefined;
  /** MySQL: the newest state of the transaction, a letter or `_` for each thing that it did. */
  #state: string | undefined;

  constructor(engine: EngineKind) {
    this.#engine = engine;
  }

  /** What is asked directly behind XA START. Not in front of a statement that is to write: it will most likely be certain. */
  startText(firstIsWrite: boolean): string | undefined {
    return this.#engine === 'mariadb' && !firstIsWrite ? WRITE_COUNTERS : undefined;
  }

  started(answer: Answer): void {
    this.saw(answer);
    this.#before = this.#now;
  }

  /** A statement's own count says so. */
  wrote(): void {
    this.#certain = true;
  }

  saw(answer: Answer): void {
    for (const result of answer) {
      if (result.kind === 'ok') {
        this.#state = result.transactionState ?? this.#state;
      } else if (result.kind === 'cells') {
        this.#now = result.rows.map((row) => row.map((cell) => cell?.toString('latin1')).join('=')).join(',');
      }
    }
  }

  /** False only if the engine shows that nothing was written. `ask` sends a text and gives the answer to `saw`. */
  async any(ask: (text: string) => Promise<unknown>): Promise<boolean> {
    if (this.#certain) {
      return true;
    }
    if (this.#engine === 'mysql') {
      // A SELECT's answer has no room for the state: it comes with the next.
      await ask('DO 0');
      return this.#state === undefined || /w/i.test(this.#state);
    }
    if (this.#before === undefined) {
      // The first statement was to write and hit no row. Nobody counted what its functions did, so it counts as written.
      return true;
    }
    await ask(WRITE_COUNTERS);
    return this.#now !== this.#before;
  }
}
