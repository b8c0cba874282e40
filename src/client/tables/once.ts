// Work that is done once for each key, however often it is asked for: the key and the result are a row of the work's own branch.
import { ConcordatError } from '../public/errors.ts';
import type { OnceOptions, OnceResult, OnceValue } from '../public/tables.ts';
import { checkName, explainMissing, type TableEngine, type TablesTransaction, tableEngine } from './tables.ts';

interface OnceStatements {
  readonly insert: string;
  readonly read: string;
  readonly keep: string;
}

/**
 * The insert comes first and never fails: a failed statement would end the branch. It waits for another transaction that holds the key.
 * MySQL reads with a lock, which sees what was committed meanwhile; at PostgreSQL each statement does, below `repeatable-read`.
 */
export const ONCE_STATEMENTS: Readonly<Record<TableEngine, OnceStatements>> = {
  postgresql: {
    insert: 'insert into concordat_once (id, fingerprint, gtrid) values ($1, $2, $3) on conflict (id) do nothing',
    read: 'select fingerprint, result, gtrid from concordat_once where id = $1',
    keep: 'update concordat_once set result = $1 where id = $2',
  },
  mysql: {
    insert: 'insert into concordat_once (id, fingerprint, gtrid) values (?, ?, ?) on duplicate key update id = id',
    read: 'select fingerprint, result, gtrid from concordat_once where id = ? for update',
    keep: 'update concordat_once set result = ? where id = ?',
  },
};

type Row = { readonly fingerprint: string | null; readonly result: string | null; readonly gtrid: string };

/** The keys of one transaction object. */
export class OnceKeys {
  readonly #tx: TablesTransaction;
  readonly #engine: (resource: string) => string | undefined;
  readonly #atWork = new Set<string>();
  #claims = 0;

  constructor(tx: TablesTransaction, engine: (resource: string) => string | undefined) {
    this.#tx = tx;
    this.#engine = engine;
  }

  /** As `TransactionWork.once` says. */
  async once<T extends OnceValue>(
    resource: string,
    key: string,
    work: () => Promise<T> | T,
    options: OnceOptions = {},
  ): Promise<OnceResult<T>> {
    checkName('the key of once()', key);
    const fingerprint = options.fingerprint ?? null;
    if (fingerprint !== null) {
      checkName('the fingerprint of once()', fingerprint);
    }
    const name = `${resource}/${key}`;
    if (this.#atWork.has(name)) {
      const message = `once('${resource}', '${key}') is at work in this transaction already: await it before you ask again.`;
      throw new ConcordatError(message, { code: 'BRANCH_BUSY', retryable: false, gtrid: this.#tx.gtrid });
    }
    this.#atWork.add(name);
    try {
      // Of this call alone: an earlier one of the transaction may have been undone with the nested scope that it was in.
      const claim = `${this.#tx.gtrid}/${++this.#claims}`;
      const row = await this.#claim(resource, key, fingerprint, claim);
      if (row.gtrid === claim) {
        return { value: stored(await this.#work(resource, key, work)), first: true };
      }
      this.#checkFingerprint(key, fingerprint, row.fingerprint);
      return { value: stored(row.result), first: false };
    } finally {
      this.#atWork.delete(name);
    }
  }

  /** Answers the result as it is stored; null: none. */
  async #work(resource: string, key: string, work: () => Promise<OnceValue> | OnceValue): Promise<string | null> {
    try {
      const text = JSON.stringify(await work()) ?? null;
      if (text !== null) {
        const { keep } = ONCE_STATEMENTS[tableEngine(this.#engine(resource))];
        await this.#tx.branch(resource).query(keep, [text, key]);
      }
      return text;
    } catch (error) {
      // Half of the work may be done, and its key is taken: a commit of that would keep the other half from ever being done.
      const reason = error instanceof Error ? error.message : String(error);
      await this.#tx.setRollbackOnly(`the work of once('${key}') failed: ${reason}`).catch(() => undefined);
      throw error;
    }
  }

  /** The key's row: ours if nobody had it. Both statements leave together. */
  async #claim(resource: string, key: string, fingerprint: string | null, claim: string): Promise<Row> {
    const { insert, read } = ONCE_STATEMENTS[tableEngine(this.#engine(resource))];
    const branch = this.#tx.branch(resource);
    for (;;) {
      try {
        const inserted = branch.query(insert, [key, fingerprint, claim]);
        const [, { rows }] = await Promise.all([inserted, branch.query<Row>(read, [key])]);
        if (rows[0] !== undefined) {
          return rows[0];
        }
        // Somebody trimmed the table between the two. The transaction's time bounds this.
      } catch (error) {
        throw explainMissing(error, 'once');
      }
    }
  }

  /** @throws {ConcordatError} KEY_REUSED */
  #checkFingerprint(key: string, fingerprint: string | null, earlier: string | null): void {
    if (fingerprint !== null && earlier !== null && fingerprint !== earlier) {
      const message = `The key '${key}' was used for another request: the fingerprints differ. Take a new key for each new request.`;
      throw new ConcordatError(message, { code: 'KEY_REUSED', retryable: false, gtrid: this.#tx.gtrid });
    }
  }
}

/** Whoever asks gets the value as it was stored: the first one, too, so that both get the same. */
function stored<T>(text: string | null): T {
  return (text === null ? undefined : JSON.parse(text)) as T;
}
