// Questions about the engine's state: prepared branches, the sessions behind them and those that wait for them.
import { type EvidenceRow, NO_EVIDENCE, rowEvidence } from '../../../xa/evidence.ts';
import { TERMINATE_WAIT_MS } from '../../../xa/times.ts';
import type { Xid } from '../../../xa/xid.ts';
import { EngineError, type PreparedBranch } from '../../resource-manager.ts';
import { query, type RunInControl } from '../session/query.ts';
import type { Backend } from '../session/session-port.ts';
import { gidPrefix, parseGid, sessionTag, sessionTagPrefix } from '../sql/gid.ts';

/** Every prepared transaction of this database. @throws {EngineError} */
export async function listPrepared(control: RunInControl): Promise<readonly PreparedBranch[]> {
  const [result] = await query(control, [
    {
      text: `select gid,
        greatest(0, extract(epoch from clock_timestamp() - prepared) * 1000)::bigint::text
        from pg_prepared_xacts where database = current_database()`,
    },
  ]);
  return (result?.rows ?? []).map(([gid, ageMs]) => {
    const row = parseGid(gid ?? '');
    return {
      xid: row === undefined ? undefined : { gtrid: row.gtrid, bqual: row.bqual },
      raw: printable(gid ?? ''),
      evidence: row === undefined ? NO_EVIDENCE : rowEvidence(row.opening),
      ageMs: Number(ageMs ?? 0),
    };
  });
}

/** Anyone may prepare under any name: what is shown to people has no control characters. */
function printable(gid: string): string {
  return gid.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

const SERVING = `from pg_stat_activity a where a.datname = current_database() and a.pid <> pg_backend_pid()
  and (starts_with(a.application_name, $1) or (a.pid::text, a.backend_start::text) in (select * from unnest($2::text[], $3::text[])))`;

/**
 * Ends the sessions that serve the opening, or every opening of the name, whoever opened them, and the given server processes, and waits
 * until they are gone. One that waits for a synchronous standby is left alone: it has prepared or committed already, and would show
 * that to everybody although no standby may have it. As the role that logged in: the branch role of `SET ROLE` may not end sessions of the other.
 * @throws {EngineError} also when one of them does not go.
 */
export async function fenceBranch(
  control: RunInControl,
  branch: Xid | EvidenceRow,
  backends: readonly Backend[],
): Promise<void> {
  const values = [
    'opening' in branch ? sessionTag(branch) : sessionTagPrefix(branch),
    `{${backends.map(({ pid }) => pid).join(',')}}`,
    `{${backends.map(({ startedAt }) => `"${startedAt}"`).join(',')}}`,
  ];
  const results = await query(control, [
    { text: 'begin' },
    { text: 'set local role none' },
    {
      text: `select pg_terminate_backend(a.pid, ${TERMINATE_WAIT_MS}) ${SERVING} and a.wait_event is distinct from 'SyncRep'`,
      values,
    },
    { text: 'commit' },
    // Not by the answers: false is also what a process gets that was on its way out already.
    { text: `select a.pid::text, a.wait_event ${SERVING}`, values },
  ]);
  const stuck = results[4]?.rows ?? [];
  if (stuck.length > 0) {
    const processes = `server processes ${stuck.map(([pid]) => pid).join(', ')}`;
    const message = stuck.some(([, event]) => event === 'SyncRep')
      ? `${processes} wait for the synchronous standby; look at pg_stat_replication`
      : `${processes} do not end; look at them in pg_stat_activity`;
    throw new EngineError({ code: 'ENGINE_UNAVAILABLE', message, retryable: true }, { sessionLost: false });
  }
}

/**
 * Sessions that wait for the branch, directly or behind one another. `pg_blocking_pids` shows a prepared transaction as 0, so
 * that its own locks are found first, by the transaction number that it holds, and those who wait for the same objects.
 */
export async function countBlocked(control: RunInControl, xid: Xid): Promise<number> {
  const [result] = await query(control, [
    {
      text: `with recursive holder as (
          select l.virtualtransaction from pg_prepared_xacts p
          join pg_locks l on l.locktype = 'transactionid' and l.transactionid = p.transaction and l.granted and l.pid is null
          where starts_with(p.gid, $1) and p.database = current_database()
        ), blocked(pid) as (
          select w.pid from holder join pg_locks h on h.virtualtransaction = holder.virtualtransaction and h.pid is null and h.granted
          join pg_locks w on not w.granted and w.pid is not null and w.locktype = h.locktype
            and (w.database, w.relation, w.page, w.tuple, w.virtualxid, w.transactionid, w.classid, w.objid, w.objsubid)
            is not distinct from (h.database, h.relation, h.page, h.tuple, h.virtualxid, h.transactionid, h.classid, h.objid, h.objsubid)
          where 0 = any(pg_blocking_pids(w.pid))
          union
          select l.pid from blocked b join pg_locks l on not l.granted and b.pid = any(pg_blocking_pids(l.pid))
        ) select count(distinct pid)::text from blocked`,
      values: [gidPrefix(xid)],
    },
  ]);
  return Number(result?.rows[0]?.[0] ?? 0);
}
