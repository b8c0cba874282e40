// The databases of a lesson as its test sees them: past Concordat, with the lesson's tables made anew for each test.
import { afterEach, beforeEach } from 'vitest';
import { type Database, openDatabase, type Tables } from '../../examples/course/lesson.ts';
import { type Concordat, connect } from '../../src/client/index.ts';
import type { UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';

export interface Lesson {
  readonly concordat: Concordat;
  readonly accounts: Database;
  readonly orders: Database;
  /** No database holds a prepared branch any more: what the tables say now is how it ended. */
  settled(): Promise<void>;
}

/** Opens everything for each test of the file, and closes it. */
export function useLesson(used: UsedSystem, tables: Tables): Lesson {
  let open: (Lesson & AsyncDisposable) | undefined;

  beforeEach(async () => {
    const [accounts, orders] = await Promise.all([
      openDatabase(used.accounts.server.url),
      openDatabase(used.orders.server.url),
    ]);
    await accounts.run(...tables.accounts);
    await orders.run(...tables.orders);
    const concordat = await connect(used.system.cluster.address);
    open = {
      ...{ concordat, accounts, orders },
      settled: async () => {
        await eventually('no branch is left prepared', async () => {
          const prepared = await used.system.shop.prepared();
          return prepared.accounts.length + prepared.orders.length === 0;
        });
      },
      [Symbol.asyncDispose]: async () => {
        await concordat.close();
        await Promise.all([accounts.close(), orders.close()]);
      },
    };
  });

  afterEach(async () => {
    await open?.[Symbol.asyncDispose]();
    open = undefined;
  });

  const now = (): Lesson => {
    if (open === undefined) {
      throw new Error('the lesson is open in tests only');
    }
    return open;
  };
  return {
    get concordat() {
      return now().concordat;
    },
    get accounts() {
      return now().accounts;
    },
    get orders() {
      return now().orders;
    },
    settled: () => now().settled(),
  };
}
