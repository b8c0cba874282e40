// How many sessions wait for the locks of a branch, where the engine can tell.
import type { Clock } from '../../../lib/clock.ts';
import { pause } from '../../../lib/wait.ts';
import type { Xid } from '../../../xa/xid.ts';
import type { Engine } from '../protocol/engine.ts';
import { cellsOf, errorOf } from '../protocol/exchange.ts';
import { BRANCH_TABLE, markerProbeText } from '../sql/texts.ts';
import type { ControlSessions } from './control.ts';

/** MariaDB shows the same picture of its locks again to whoever asks within 100 ms of the last question. */
const SNAPSHOT_MS = 110;

/**
 * MySQL writes down who waits for whom in performance_schema, where a branch is recognised by the lock on its evidence row.
 * MariaDB tells by the session only, so a branch that has none any more is answered with 0; so is an account that may not look.
 * @throws {EngineError} the engine cannot be reached.
 */
export async function blockedSessions(
  tools: { readonly control: ControlSessions; readonly clock: Clock; readonly engine: Engine },
  xid: Xid,
  owner: number | undefined,
): Promise<number> {
  const { control, clock, engine } = tools;
  const sql = engine.kind === 'mysql' ? mysqlText(engine, xid) : mariadbText(owner);
  if (sql === undefined) {
    return 0;
  }
  if (engine.kind === 'mariadb') {
    await pause(clock, SNAPSHOT_MS);
  } else {
    // Asking for the row's lock makes the engine write down that the branch has it.
    await control.run(markerProbeText(engine.database, xid));
  }
  const answer = await control.run(sql);
  const result = answer[0];
  if (result === undefined || errorOf(answer) !== undefined) {
    return 0;
  }
  return Number(cellsOf(result)[0]?.[0]?.toString('latin1') ?? '0');
}

function mysqlText(engine: Engine, xid: Xid): string {
  const key = [xid.gtrid, xid.bqual].map((part) => `0x${Buffer.from(part, 'latin1').toString('hex')}`).join(', ');
  const database = `X'${Buffer.from(engine.database).toString('hex')}'`;
  return `SELECT COUNT(DISTINCT w.REQUESTING_ENGINE_TRANSACTION_ID) FROM performance_schema.data_locks l
    JOIN performance_schema.data_lock_waits w ON w.BLOCKING_ENGINE_TRANSACTION_ID=l.ENGINE_TRANSACTION_ID
    WHERE l.OBJECT_SCHEMA=CONVERT(${database} USING utf8mb4) AND l.OBJECT_NAME='${BRANCH_TABLE}'
      AND l.LOCK_TYPE='RECORD' AND l.LOCK_STATUS='GRANTED' AND LOWER(l.LOCK_DATA)=LOWER('${key}')`;
}

function mariadbText(owner: number | undefined): string | undefined {
  return owner === undefined
    ? undefined
    : `SELECT COUNT(DISTINCT w.requesting_trx_id) FROM information_schema.INNODB_LOCK_WAITS w
       JOIN information_schema.INNODB_TRX t ON t.trx_id=w.blocking_trx_id WHERE t.trx_mysql_thread_id=${owner}`;
}
