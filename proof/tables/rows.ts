// The rows that must hold: what may go wrong, what may be sent, and what a transaction manager has to do in each case.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A row is always named with its list, because some lists use the same letters. */
export const LISTS = ['faults', 'conformance', 'field', 'security'] as const;
export type ListName = (typeof LISTS)[number];

export interface Row {
  readonly id: string;
  /** What happens and what must hold then, in one sentence. */
  readonly says: string;
  /** The proofs in which it happens, too: a program, and behind a colon the kind of trouble as that program calls it. */
  readonly proofs?: readonly string[];
  /** Why it does not apply yet; absent: it applies. */
  readonly not?: string;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

export type Tables = Readonly<Record<ListName, readonly Section[]>>;

/** The rows of `rows.json`, in the order of the page. */
export function readTables(): Tables {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'rows.json'), 'utf8')) as Tables;
}

/** Every row under its full name, like `faults F26`. @throws {Error} a row is there twice. */
export function rowsByName(tables: Tables): ReadonlyMap<string, Row> {
  const rows = new Map<string, Row>();
  for (const list of LISTS) {
    for (const row of tables[list].flatMap((section) => section.rows)) {
      const name = `${list} ${row.id}`;
      if (rows.has(name)) {
        throw new Error(`${name} is in proof/tables/rows.json twice`);
      }
      rows.set(name, row);
    }
  }
  return rows;
}
