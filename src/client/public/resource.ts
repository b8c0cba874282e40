// What an application does at one resource within a transaction: the public shape of a statement and its result.

import type { Parameter, ResultValue } from '../values/values.ts';
import type { BranchStart } from './options.ts';

export interface StatementOptions extends BranchStart {
  /**
   * The branch's last statement: it is executed, prepared and voted on in one round trip, which saves the commit one. The branch
   * takes no statement after it.
   */
  readonly last?: boolean;
}

export interface Column {
  readonly name: string;
  /** The engine's name for the type, for instance `int8` or `VAR_STRING`. */
  readonly type: string;
}

export type ResultRow = Record<string, ResultValue>;

export interface QueryResult<Row extends object = ResultRow> {
  /** One object for each row, by column name. */
  readonly rows: readonly Row[];
  readonly columns: readonly Column[];
  /** Rows affected, or returned by a query. */
  readonly rowCount: number;
  /** MySQL and MariaDB: the id that an auto-increment column gave; 0: none. */
  readonly insertId: number | bigint;
}

/** One resource within one transaction: a branch, opened by its first statement. */
export interface Resource {
  readonly name: string;
  /**
   * Executes one statement. Parameters: `$1` at PostgreSQL, `?` at MySQL and MariaDB. Statements of one resource run in the order
   * of the calls, one at a time; those of different resources run side by side.
   *
   * @throws {StatementError} it was not done, or nobody can tell; the transaction can only be rolled back.
   * @throws {TransactionRolledBackError} the coordinator has ended the transaction.
   * @throws {ConcordatError} BRANCH_STATE after a statement marked `last`, TXN_STATE after the end; RESOURCE_UNKNOWN.
   * @throws {TypeError} a parameter is not a value; {RangeError} they are too large. Nothing was sent, the transaction goes on.
   */
  query<Row extends object = ResultRow>(
    sql: string,
    parameters?: readonly Parameter[],
    options?: StatementOptions,
  ): Promise<QueryResult<Row>>;
}
