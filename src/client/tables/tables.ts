// The application's own tables that `once` and `lock` use, at each engine: what they are called, and what a missing one is told as.
import { StatementError } from '../public/errors.ts';
import type { Resource } from '../public/resource.ts';

/** What `once` and `lock` need of their transaction. */
export interface TablesTransaction {
  readonly gtrid: string;
  /** The branch of its statements, also where the application works on a connection of its own. */
  readonly branch: (resource: string) => Resource;
  setRollbackOnly(reason: string): Promise<void>;
}

/** The engines that have them, by what the directory calls them. */
export type TableEngine = 'postgresql' | 'mysql';

/** What names a row: as many bytes as the key of a table takes at every engine. */
const NAME_BYTES_MAX = 255;
/** PostgreSQL's and MySQL's words for a table that is not there. */
const TABLE_MISSING: ReadonlySet<string | undefined> = new Set(['42P01', '42S02']);

export function tableEngine(engine: string | undefined): TableEngine {
  return engine === 'mysql' || engine === 'mariadb' ? 'mysql' : 'postgresql';
}

/** @throws {TypeError} {RangeError} `what` is no text, is empty, or is too long to be a key. */
export function checkName(what: string, name: unknown): void {
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(`${what} must be a text that is not empty`);
  }
  const bytes = Buffer.byteLength(name);
  if (bytes > NAME_BYTES_MAX) {
    throw new RangeError(`${what} has ${bytes} bytes, and at most ${NAME_BYTES_MAX} are allowed: use a hash of it`);
  }
}

/** The error as it is, or what to do where a table is missing. */
export function explainMissing(error: unknown, chapter: string): unknown {
  if (!(error instanceof StatementError) || !TABLE_MISSING.has(error.sqlstate)) {
    return error;
  }
  const message = `A table of ${error.resource} is missing that tx.${chapter} needs: create it in a migration of yours, as docs/client.md says under "${chapter}". (${error.message})`;
  const { code, retryable, resource, sqlstate, errno } = error;
  return new StatementError(message, { code, retryable, resource, sqlstate, errno, cause: error });
}
