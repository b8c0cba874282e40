// What a transaction object does with the application's own tables: `once` and `lock`.
import { type LockParts, NamedLocks } from './lock.ts';
import { OnceKeys } from './once.ts';
import type { TablesTransaction } from './tables.ts';

export interface ApplicationTables {
  readonly keys: OnceKeys;
  readonly locks: NamedLocks;
}

interface TablesParts extends Pick<LockParts, 'transact'> {
  readonly session: { readonly directory: ReadonlyMap<string, { readonly engine: string }> };
}

/** Of one transaction object: its keys and its locks. */
export function applicationTables(
  tx: TablesTransaction,
  { session, transact }: TablesParts,
  work: { readonly remainingMs: number },
): ApplicationTables {
  const engine = (resource: string): string | undefined => session.directory.get(resource)?.engine;
  const locks = new NamedLocks(tx, { engine, transact, remainingMs: () => work.remainingMs });
  return { keys: new OnceKeys(tx, engine), locks };
}
