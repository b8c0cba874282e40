// Every text that the adapter itself sends about a branch. Xids are validated before they get here, and go as hex literals.
import { createHash } from 'node:crypto';
import { assert } from '../../../lib/assert.ts';
import { type EvidenceRow, OPENING_LENGTH } from '../../../xa/evidence.ts';
import { BQUAL_BYTES_MAX, FORMAT_ID, formatXid, GTRID_BYTES_MAX, type Xid } from '../../../xa/xid.ts';
import { type BranchOptions, characteristics } from '../../resource-manager.ts';
import type { EngineKind } from '../protocol/engine.ts';

export const BRANCH_TABLE = 'concordat_branch';

/** Matches no session of ours and says what it is to whoever lists locks. */
const LOCK_PREFIX = 'concordat:';
/** What MySQL takes. Names are compared without regard to case, and ids of ours have no upper case. */
const LOCK_NAME_MAX = 64;

/** A value as a literal that needs no quoting. */
export function hex(text: string): string {
  return `X'${Buffer.from(text, 'latin1').toString('hex')}'`;
}

/** XA allows as many for each part of a name. */
const XA_BQUAL_BYTES_MAX = 64;

/** `X'gtrid',X'bqual:opening',formatID`: XA statements take no placeholders. */
export function xidLiteral({ gtrid, bqual, opening }: EvidenceRow): string {
  assert(gtrid.length <= GTRID_BYTES_MAX && bqual.length <= BQUAL_BYTES_MAX, 'the Xid was validated');
  assert(BQUAL_BYTES_MAX + 1 + OPENING_LENGTH <= XA_BQUAL_BYTES_MAX, 'every opening fits the name of a branch');
  return `${hex(gtrid)},${hex(`${bqual}:${opening}`)},${FORMAT_ID}`;
}

/** The name of a branch in which something is asked, and never prepared. @param key by which it differs from those of other sessions. */
export function questionLiteral(key: string): string {
  return `${hex('concordat')},${hex(`question:${key}`)},${FORMAT_ID + 1}`;
}

export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** One opening of a branch, or all of them by their name. */
export type Target = Xid | EvidenceRow;

/**
 * A user-level lock that the session of a branch holds from XA START on. The server forgets it with the session, so `IS_USED_LOCK`
 * names the owner of a branch exactly, to every later life of the participant and without any privilege. There is one of its name, so
 * that at most one session works in a branch at a time, and one of its opening. The name itself where it fits, else a digest of it.
 */
export function branchLock(target: Target): string {
  if ('opening' in target) {
    return `'${LOCK_PREFIX}${target.opening}'`;
  }
  const xid = target;
  const name = LOCK_PREFIX + formatXid(xid);
  assert(/^[a-z0-9.:-]+$/.test(name), 'the name of a lock needs no quoting');
  return name.length <= LOCK_NAME_MAX
    ? `'${name}'`
    : `'${LOCK_PREFIX}#${createHash('sha256').update(name).digest('hex').slice(0, 40)}'`;
}

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

/**
 * Takes both locks of an opening: an error (1690) when another session has one of them, which ends the text before XA START. Not by DO,
 * which swallows errors.
 * @param more expressions that the same row shall tell.
 */
function ownText(row: EvidenceRow, ...more: readonly string[]): string {
  const locks = [branchLock({ gtrid: row.gtrid, bqual: row.bqual }), branchLock(row)];
  return `SELECT ${[`EXP(IF(${locks.map((lock) => `GET_LOCK(${lock},0)=1`).join(' AND ')},0,1000))`, ...more].join(',')}`;
}

/** After so many seconds the server ends a session whose branch is idle. */
export function idleSeconds({ idleTimeoutMs }: Pick<BranchOptions, 'idleTimeoutMs'>): number {
  return Math.max(1, Math.ceil(idleTimeoutMs / 1_000));
}

/**
 * Opens a branch: its owner's locks, its characteristics, XA START.
 * @param tell what a session that has a state of its own tells with its locks.
 */
export function startTexts(
  row: EvidenceRow,
  options: Pick<BranchOptions, 'isolation' | 'readOnly'>,
  tell: readonly string[] = [],
): readonly string[] {
  const modes = characteristics(options);
  return [
    ownText(row, ...tell),
    // For the next transaction only; nothing that could be taken for it may come in between.
    ...(modes.length === 0 ? [] : [`SET TRANSACTION ${modes.join(',').toUpperCase()}`]),
    `XA START ${xidLiteral(row)}`,
  ];
}

/**
 * The evidence row of a branch: committed with it, gone without it. NULL in a key column stops the text unless the session still holds
 * the branch's locks: without them somebody may have looked, found nobody, and concluded that the branch can never commit.
 * @param isThere the row may be there already, written by this branch.
 */
export function markerText(database: string, row: EvidenceRow, isThere = false): string {
  return insertMarker(database, row, holdsLock(row), isThere);
}

/**
 * The same behind a statement whose answer has not been read: it stops, too, unless that statement wrote rows. After an error
 * ROW_COUNT() is -1, after a result -1, before any statement of the branch 0.
 */
export function guardedMarkerText(database: string, row: EvidenceRow, isThere = false): string {
  return insertMarker(database, row, `ROW_COUNT()>0 AND ${holdsLock(row)}`, isThere);
}

function holdsLock(row: EvidenceRow): string {
  const locks = [branchLock({ gtrid: row.gtrid, bqual: row.bqual }), branchLock(row)];
  return locks.map((lock) => `IS_USED_LOCK(${lock})=CONNECTION_ID()`).join(' AND ');
}

function insertMarker(database: string, row: EvidenceRow, condition: string, isThere: boolean): string {
  // With the database's name: a statement of the branch may have changed the current one.
  const columns = `${quoteIdentifier(database)}.${BRANCH_TABLE} (gtrid,bqual,opening)`;
  const values = `IF(${condition},${hex(row.gtrid)},NULL),${hex(row.bqual)},${hex(row.opening)}`;
  const insert = `INSERT INTO ${columns} VALUES (${values})`;
  return isThere ? `${insert} ON DUPLICATE KEY UPDATE bqual=VALUES(bqual)` : insert;
}

/** It is gone when the transaction that it was set in has ended, even if another one has begun in its place. */
const CANARY = 'concordat_call';

/** Before a procedure, which may end the branch: its row, which tells how the branch ended, and a savepoint, which tells whether it did. */
export function beforeCallTexts(marker: string | undefined): readonly string[] {
  return [...(marker === undefined ? [] : [marker]), `SAVEPOINT ${CANARY}`];
}

/** Refused unless the branch is the one that the procedure began in; MariaDB lets a savepoint go, but reads nothing, once it has ended. */
export function behindCallText(database: string): string {
  return `RELEASE SAVEPOINT ${CANARY};SELECT 1 FROM ${quoteIdentifier(database)}.${BRANCH_TABLE} WHERE FALSE`;
}

export function endText(row: EvidenceRow): string {
  return `XA END ${xidLiteral(row)}`;
}

/** The evidence row of a branch: `there` shares its end, whatever that is; `perhaps`, since the branch may be back before it. */
export type MarkerState = 'none' | 'perhaps' | 'there';

/**
 * In front of the end: refused (1048, 1690) unless the session holds both locks, see `markerText`; then the row is there. One that shares the
 * branch's end is not written again: if something has ended the branch unseen, it would be committed by itself.
 */
export function proofText(marker: MarkerState, database: string, row: EvidenceRow, write = markerText): string {
  return marker === 'there' ? `SELECT EXP(IF(${holdsLock(row)},0,1000))` : write(database, row, marker === 'perhaps');
}

export function prepareText(row: EvidenceRow): string {
  return `XA PREPARE ${xidLiteral(row)}`;
}

export function onePhaseText(row: EvidenceRow): string {
  return `XA COMMIT ${xidLiteral(row)} ONE PHASE`;
}

export function finishText(verb: 'commit' | 'rollback', row: EvidenceRow): string {
  return `XA ${verb.toUpperCase()} ${xidLiteral(row)}`;
}

export function ownerText(target: Target): string {
  return `SELECT IS_USED_LOCK(${branchLock(target)})`;
}

/** The other engine's spelling is a syntax error. MySQL's plain form turns binary ids into lossy text. */
export function recoverText(engine: EngineKind): string {
  return engine === 'mysql' ? 'XA RECOVER CONVERT XID' : 'XA RECOVER';
}

/** A locking read of the row of the name, whichever opening left it: a row is a committed one, no row means that no transaction holds or ever committed it, NOWAIT the rest. */
export function markerProbeText(database: string, target: Target): string {
  // By the key, even where a scan looks cheaper: a scan would meet the rows of other branches.
  const from = `${quoteIdentifier(database)}.${BRANCH_TABLE} FORCE INDEX (PRIMARY)`;
  return `SELECT opening FROM ${from} WHERE gtrid=${hex(target.gtrid)} AND bqual=${hex(target.bqual)} FOR UPDATE NOWAIT`;
}

/** A condition that is true for these rows. */
export function markersCondition(rows: readonly EvidenceRow[]): string {
  const names = rows.map(({ gtrid, bqual }) => `(${hex(gtrid)},${hex(bqual)})`);
  const whole = rows.map(({ gtrid, bqual, opening }) => `(${hex(gtrid)},${hex(bqual)},${hex(opening)})`);
  return `(gtrid,bqual) IN (${names.join(',')}) AND (gtrid,bqual,opening) IN (${whole.join(',')})`;
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
