// What a server of MySQL or MariaDB shows to its administrator: errors by their number, and who waits.
import type { HandError, MysqlHarness } from './mysql-harness.ts';

/** The number of the error that a text is refused with by hand. */
export async function errno(work: Promise<unknown>): Promise<number | undefined> {
  return await work.then(
    () => undefined,
    (error: HandError) => error.errno,
  );
}

/** Whether some session waits for a lock. */
export async function isWaiting(harness: MysqlHarness): Promise<boolean> {
  const rows = await harness.raw(`select 1 from information_schema.innodb_trx where trx_state = 'LOCK WAIT'`);
  // Asked again within 100 ms, InnoDB repeats its last answer.
  await new Promise((resolve) => setTimeout(resolve, 120));
  return rows.length > 0;
}
