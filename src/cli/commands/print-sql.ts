// `concordat participant --print-sql`: the tables for a person who may create them, where the participant's account may not.

import { printSql } from '../../participants/mysql/sql/tables.ts';
import { printPostgresSql } from '../../participants/postgres/tables/tables.ts';
import { DATABASE_SCHEMES } from '../../participants/sidecar/config.ts';
import { EXIT } from '../../xa/errors.ts';
import { usageError } from '../run/failure.ts';
import type { Context } from '../run/globals.ts';

type Engine = 'postgresql' | 'mysql' | 'mariadb';
const ENGINES: readonly Engine[] = ['postgresql', 'mysql', 'mariadb'];

/** @param url tells the engine when none is named, and the role; empty: none is known. */
export function printTables({ console }: Context, named: string | undefined, url: string): number {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const engine = ENGINES.find((each) => each === (named ?? engineOf(parsed)));
  if (engine === undefined) {
    throw usageError(
      named === undefined ? 'Nothing says which engine the tables are for.' : `${named} is no engine.`,
      `Name it: --print-sql ${ENGINES.join('|')}`,
    );
  }
  const role = parsed === undefined || parsed.username === '' ? undefined : decodeURIComponent(parsed.username);
  const sql = engine === 'postgresql' ? printPostgresSql(role) : printSql(engine);
  console.document('sql', { engine, sql });
  console.print(sql);
  return EXIT.ok;
}

function engineOf(url: URL | undefined): Engine | undefined {
  return Object.entries(DATABASE_SCHEMES).find(([scheme]) => scheme === url?.protocol)?.[1];
}
