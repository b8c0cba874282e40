// The adapter's own tables: evidence rows, the epoch of each log, and MariaDB's identity. The text is for people, too.

import type { EngineKind } from '../protocol/engine.ts';
import { BRANCH_TABLE } from './texts.ts';

export const EPOCH_TABLE = 'concordat_epoch';
export const IDENTITY_TABLE = 'concordat_identity';
/** A row of each participant, which the others of its resource read: see `showToken`. */
export const PARTICIPANT_TABLE = 'concordat_participant';

/** The key leaves the opening out: while one opening is prepared, or its row is there, another of the same name cannot be prepared. */
const BRANCHES = `CREATE TABLE IF NOT EXISTS ${BRANCH_TABLE} (
  gtrid VARBINARY(64) NOT NULL,
  bqual VARBINARY(64) NOT NULL,
  opening VARBINARY(12) NOT NULL,
  created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (gtrid, bqual)
) ENGINE=InnoDB COMMENT='Concordat: written inside each branch, so a row proves that its branch was committed'`;

const EPOCHS = `CREATE TABLE IF NOT EXISTS ${EPOCH_TABLE} (
  identity VARBINARY(16) NOT NULL PRIMARY KEY,
  epoch BIGINT UNSIGNED NOT NULL,
  token VARBINARY(16) NOT NULL DEFAULT ''
) ENGINE=InnoDB COMMENT='Concordat: the newest life of each coordinator log that was served here'`;

const PARTICIPANTS = `CREATE TABLE IF NOT EXISTS ${PARTICIPANT_TABLE} (
  instance VARBINARY(64) NOT NULL PRIMARY KEY,
  token VARBINARY(64) NOT NULL,
  account VARBINARY(200) DEFAULT NULL,
  at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB COMMENT='Concordat: by these rows participants of one resource know that they see one database'`;

const IDENTITY = `CREATE TABLE IF NOT EXISTS ${IDENTITY_TABLE} (
  only_row TINYINT NOT NULL PRIMARY KEY,
  identity VARBINARY(32) NOT NULL
) ENGINE=InnoDB COMMENT='Concordat: what this database is, since MariaDB has no identity of its own'`;

export function tableNames(engine: EngineKind): readonly string[] {
  const names = [BRANCH_TABLE, EPOCH_TABLE, PARTICIPANT_TABLE];
  return engine === 'mariadb' ? [...names, IDENTITY_TABLE] : names;
}

/** Columns that tables of older versions lack, and what adds each. MySQL knows no ADD COLUMN IF NOT EXISTS. */
export const LATER_COLUMNS: readonly { readonly table: string; readonly column: string; readonly add: string }[] = [
  {
    table: BRANCH_TABLE,
    column: 'opening',
    add: `ALTER TABLE ${BRANCH_TABLE} ADD COLUMN opening VARBINARY(12) NOT NULL DEFAULT '' AFTER bqual`,
  },
  {
    table: EPOCH_TABLE,
    column: 'token',
    add: `ALTER TABLE ${EPOCH_TABLE} ADD COLUMN token VARBINARY(16) NOT NULL DEFAULT ''`,
  },
  {
    table: PARTICIPANT_TABLE,
    column: 'account',
    add: `ALTER TABLE ${PARTICIPANT_TABLE} ADD COLUMN account VARBINARY(200) DEFAULT NULL`,
  },
];

/** The statements that create what is missing, in the current database. */
export function tableStatements(engine: EngineKind): readonly string[] {
  const statements = [BRANCHES, EPOCHS, PARTICIPANTS];
  return engine === 'mariadb' ? [...statements, IDENTITY] : statements;
}

/** The same as a script for the person who may create tables, with what the participant's account then needs. */
export function printSql(engine: EngineKind): string {
  const grants = tableNames(engine).map((name) => `-- GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO <account>;`);
  const recover = engine === 'mysql' ? ['-- GRANT XA_RECOVER_ADMIN ON *.* TO <account>;'] : [];
  return [...tableStatements(engine).map((statement) => `${statement};`), ...grants, ...recover, ''].join('\n');
}
