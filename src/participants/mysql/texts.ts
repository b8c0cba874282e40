// Every text that the adapter itself sends about a branch. Xids are validated before they get here, and go as hex literals.
import { createHash } from 'node:crypto';
import { assert } from '../../lib/assert.ts';
import type { Isolation } from '../../xa/vocabulary.ts';
import { BQUAL_BYTES_MAX, FORMAT_ID, formatXid, GTRID_BYTES_MAX, type Xid } from '../../xa/xid.ts';
import type { BranchOptions } from '../resource-manager.ts';
import type { EngineKind } from './engine.ts';

export const BRANCH_TABLE = 'concordat_branch';

/** Matches no session of ours and says what it is to whoever lists locks. */
const LOCK_PREFIX = 'concordat:';
/** What MySQL takes. Names are compared without regard to case, and ids of ours have no upper case. */
const LOCK_NAME_MAX = 64;

/** A value as a literal that needs no quoting. */
export function hex(text: string): string {
  return `X'${Buffer.from(text, 'latin1').toString('hex')}'`;
}

/** `X'gtrid',X'bqual',formatID`: XA statements take no placeholders. */
export function xidLiteral(xid: Xid): string {
  assert(xid.gtrid.length <= GTRID_BYTES_MAX && xid.bqual.length <= BQUAL_BYTES_MAX, 'the Xid was validated');
  return `${hex(xid.gtrid)},${hex(xid.bqual)},${FORMAT_ID}`;
}

export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/**
 * The user-level lock that the session of a branch holds from XA START on. The server forgets it with the session, so
 * `IS_USED_LOCK` names the owner of a branch exactly, to every later life of the participant and without any privilege. The branch's
 * own name where it fits, else a digest of it.
 */
export function branchLock(xid: Xid): string {
  const name = LOCK_PREFIX + formatXid(xid);
  assert(/^[a-z0-9.:-]+$/.test(name), 'the name of a lock needs no quoting');
  return name.length <= LOCK_NAME_MAX
    ? `'${name}'`
    : `'${LOCK_PREFIX}#${createHash('sha256').update(name).digest('hex').slice(0, 40)}'`;
}

const ISOLATION: Readonly<Record<Exclude<Isolation, 'default'>, string>> = {
  'read-uncommitted': 'ISOLATION LEVEL READ UNCOMMITTED',
  'read-committed': 'ISOLATION LEVEL READ COMMITTED',
  'repeatable-read': 'ISOLATION LEVEL REPEATABLE READ',
  serializable: 'ISOLATION LEVEL SERIALIZABLE',
};

/**
 * The rows that a session has written since it was reset, by whatever means: triggers and functions count, too. MySQL also counts those
 * of temporary tables of its own, with which it sorts; it has something better, see `Writes`.
 */
export const WRITE_COUNTERS =
  "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_update','Handler_write','Handler_delete')";

/**
 * MySQL's report on its transaction, and whether it makes one. It tells only what has changed, and a SELECT's answer has no room for it:
 * a read of a table changes it where it had begun anew, and it comes with the answer behind that. No row is read, so none is waited for.
 */
export function stateText(database: string): string {
  const table = `${quoteIdentifier(database)}.${BRANCH_TABLE}`;
  return `SELECT @@session.session_track_transaction_info,(SELECT COUNT(*) FROM ${table} WHERE FALSE);DO 0`;
}

/** Opens a branch: its owner's lock, its characteristics, XA START. */
export function startText(xid: Xid, options: Pick<BranchOptions, 'isolation' | 'readOnly'>): string {
  const characteristics = [
    ...(options.isolation === 'default' ? [] : [ISOLATION[options.isolation]]),
    ...(options.readOnly ? ['READ ONLY'] : []),
  ];
  return [
    `DO RELEASE_ALL_LOCKS(),GET_LOCK(${branchLock(xid)},0)`,
    // For the next transaction only; nothing that could be taken for it may come in between.
    ...(characteristics.length === 0 ? [] : [`SET TRANSACTION ${characteristics.join(',')}`]),
    `XA START ${xidLiteral(xid)}`,
  ].join(';');
}

/** The evidence row of a branch: committed with it, gone without it. */
export function markerText(database: string, xid: Xid): string {
  return insertMarker(database, hex(xid.gtrid), xid);
}

/**
 * The same behind a statement whose answer has not been read: NULL in a key column stops the text unless that statement
 * wrote rows. After an error ROW_COUNT() is -1, after a result -1, before any statement of the branch 0.
 */
export function guardedMarkerText(database: string, xid: Xid): string {
  return insertMarker(database, `IF(ROW_COUNT()>0,${hex(xid.gtrid)},NULL)`, xid);
}

function insertMarker(database: string, gtrid: string, xid: Xid): string {
  // With the database's name: a statement of the branch may have changed the current one.
  return `INSERT INTO ${quoteIdentifier(database)}.${BRANCH_TABLE} (gtrid,bqual) VALUES (${gtrid},${hex(xid.bqual)})`;
}

export function endText(xid: Xid): string {
  return `XA END ${xidLiteral(xid)}`;
}

export function prepareText(xid: Xid): string {
  return `XA PREPARE ${xidLiteral(xid)}`;
}

export function onePhaseText(xid: Xid): string {
  return `XA COMMIT ${xidLiteral(xid)} ONE PHASE`;
}

export function finishText(verb: 'commit' | 'rollback', xid: Xid): string {
  return `XA ${verb.toUpperCase()} ${xidLiteral(xid)}`;
}

export function ownerText(xid: Xid): string {
  return `SELECT IS_USED_LOCK(${branchLock(xid)})`;
}

/** The other engine's spelling is a syntax error. MySQL's plain form turns binary ids into lossy text. */
export function recoverText(engine: EngineKind): string {
  return engine === 'mysql' ? 'XA RECOVER CONVERT XID' : 'XA RECOVER';
}

/** A locking read: a row is a committed one, no row means that no transaction holds or ever committed it, NOWAIT the rest. */
export function markerProbeText(database: string, xid: Xid): string {
  const table = `${quoteIdentifier(database)}.${BRANCH_TABLE}`;
  return `SELECT 1 FROM ${table} WHERE gtrid=${hex(xid.gtrid)} AND bqual=${hex(xid.bqual)} FOR UPDATE NOWAIT`;
}

/** A condition that is true for the rows of these branches. */
export function markersCondition(xids: readonly Xid[]): string {
  return `(gtrid,bqual) IN (${xids.map((xid) => `(${hex(xid.gtrid)},${hex(xid.bqual)})`).join(',')})`;
}

/** The bytes of an evidence row's key. */
export interface MarkerKey {
  readonly gtrid: Buffer;
  readonly bqual: Buffer;
}

/** The rows behind this one, in the order of the primary key. */
export function behindCondition({ gtrid, bqual }: MarkerKey): string {
  const [first, second] = [gtrid, bqual].map((bytes) => `X'${bytes.toString('hex')}'`);
  return `gtrid>=${first} AND (gtrid>${first} OR bqual>${second})`;
}

/** Every gtrid of one log's identity: from `<identity>.` up to the next character after the dot. */
export function identityCondition(identity: string): string {
  return `gtrid>=${hex(`${identity}.`)} AND gtrid<${hex(`${identity}/`)}`;
}
