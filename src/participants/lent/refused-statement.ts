// The error that an application's own statement on a lent connection gets, in the driver's manner: nothing was sent.

/** As much of a driver's error as applications and ORMs look at. */
interface RefusedFields {
  readonly code: string;
  readonly [field: string]: unknown;
}

/** A statement that the client refused on behalf of the global transaction. */
export class RefusedStatement extends Error {
  override readonly name = 'RefusedStatement';

  constructor(why: string, fields: RefusedFields) {
    super(`Refused by Concordat: ${why}`);
    Object.assign(this, fields);
  }
}

/** PostgreSQL's own code for "invalid transaction termination". */
export const POSTGRES_REFUSAL: RefusedFields = { code: '2D000', severity: 'ERROR' };

/** MySQL's and MariaDB's for "not while a global transaction is active". */
export const MYSQL_REFUSAL: RefusedFields = { code: 'ER_XAER_RMFAIL', errno: 1399, sqlState: 'XAE07' };
