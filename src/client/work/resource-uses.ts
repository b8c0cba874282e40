// How the application works at each resource of one transaction: by statements, or on a connection of its own.
import { inTransaction } from '../public/errors.ts';
import type { QueryResult, Resource } from '../public/resource.ts';

/** So much of a statement is shown. */
const SHOWN_CHARS = 120;
/** So many statements are shown. */
const SHOWN_MAX = 3;

interface UsingTransaction {
  readonly gtrid: string;
  /** What made it impossible to go on, or that it has ended. */
  readonly failure: unknown;
}

/**
 * Both at one resource would be two branches in two sessions of one database, of which one could wait for a row that the other holds: until
 * the deadline, since neither ends before the other, and no database sees the circle.
 */
export class ResourceUses {
  readonly #tx: UsingTransaction;
  readonly #guarded = new Map<string, Resource>();
  readonly #used = new Set<string>();
  readonly #enlisted = new Set<string>();
  /** One entry for each statement that has no answer yet. */
  readonly #unanswered = new Set<{ readonly text: string }>();

  constructor(tx: UsingTransaction) {
    this.#tx = tx;
  }

  /** The statements that have no answer yet, in one sentence for people; empty: there are none. */
  get unanswered(): string {
    const texts = [...this.#unanswered].map(({ text }) => text);
    const more = texts.length > SHOWN_MAX ? ` and ${texts.length - SHOWN_MAX} more` : '';
    return texts.slice(0, SHOWN_MAX).join('; ') + more;
  }

  /** The branch, for the application's statements. */
  guard(branch: Resource): Resource {
    let guarded = this.#guarded.get(branch.name);
    if (guarded === undefined) {
      guarded = {
        name: branch.name,
        query: (sql, parameters, options) =>
          this.#watched(branch.name, sql, () => branch.query(sql, parameters, options)),
      };
      this.#guarded.set(branch.name, guarded);
    }
    return guarded;
  }

  /** @throws {TypeError} the transaction has a branch there for its statements. */
  enlist(resource: string): void {
    if (this.#used.has(resource)) {
      throw new TypeError(
        `tx.resource('${resource}') has executed statements in this transaction already: go on with it, or enlist the connection first and execute all of them on it`,
      );
    }
    this.#enlisted.add(resource);
  }

  /** The connection could not be enlisted. */
  notEnlisted(resource: string): void {
    this.#enlisted.delete(resource);
  }

  /**
   * Whoever forgot to await a statement hears of it by the commit that is refused, and must not lose the process to the rejection that
   * follows. An error that the transaction does not tell stays a rejection that somebody has to handle.
   */
  #watched<Row extends object>(
    resource: string,
    sql: string,
    query: () => Promise<QueryResult<Row>>,
  ): Promise<QueryResult<Row>> {
    const answer = this.#asked(resource, sql, query);
    const told = answer.then(
      (result) => result,
      (error: unknown) => {
        if (this.#tx.failure !== undefined) {
          told.catch(() => undefined);
        }
        throw inTransaction(this.#tx.gtrid, error);
      },
    );
    return told;
  }

  async #asked<Row extends object>(
    resource: string,
    sql: string,
    query: () => Promise<QueryResult<Row>>,
  ): Promise<QueryResult<Row>> {
    if (this.#enlisted.has(resource)) {
      throw new TypeError(
        `a connection of ${resource} is enlisted in this transaction: execute the statement on it, where it sees what was done there`,
      );
    }
    this.#used.add(resource);
    const shown = sql.length > SHOWN_CHARS ? `${sql.slice(0, SHOWN_CHARS)}…` : sql;
    const statement = { text: `${resource}: ${shown}` };
    this.#unanswered.add(statement);
    try {
      return await query();
    } finally {
      this.#unanswered.delete(statement);
    }
  }
}
