// No ORM: the drivers themselves, with the transactions that people write by hand.
import type { Connection } from 'mysql2';
import type pg from 'pg';
import { type Orm, TABLE, type Work } from './orm.ts';

function workOf(say: (text: string, values?: readonly unknown[]) => Promise<unknown>, placeholder: string): Work {
  const work: Work = {
    save: (id) => say(`insert into ${TABLE} (id) values (${placeholder})`, [id]),
    transaction: async (inner) => {
      await say('BEGIN');
      try {
        await inner(work);
        await say('COMMIT');
      } catch (error) {
        await say('ROLLBACK');
        throw error;
      }
    },
  };
  return work;
}

export const plain: Orm = {
  name: 'plain pg and mysql2',
  onPostgres: (client: pg.Client, work) =>
    work(workOf((text, values) => client.query(text, values as unknown[]), '$1')),
  onMysql: (connection: Connection, work) =>
    work(workOf((text, values) => connection.promise().query(text, values as unknown[]), '?')),
};
