// How an opening of a branch is spelled at PostgreSQL: its gid, and the name that its session carries.
import { createHash } from 'node:crypto';
import { assert } from '../../../lib/assert.ts';
import { type EvidenceRow, formatRow, OPENING_LENGTH, parseRow } from '../../../xa/evidence.ts';
import { formatXid, type Xid } from '../../../xa/xid.ts';

const PREFIX = 'concordat:';
/** PostgreSQL takes gids of fewer than 200 bytes; ours have at most 10 + 40 + 1 + 35 + 1 + 12. */
const GID_BYTES_MAX = 99;
/** NAMEDATALEN - 1: longer application names are cut. */
const APPLICATION_NAME_BYTES_MAX = 63;

/** `concordat:<gtrid>:<bqual>:<opening>` */
export function formatGid(row: EvidenceRow): string {
  return PREFIX + formatRow(row);
}

/** Undefined: not ours. Exact: a gid that we would spell in another way is not ours either. */
export function parseGid(gid: string): EvidenceRow | undefined {
  if (!gid.startsWith(PREFIX)) {
    return undefined;
  }
  const row = parseRow(gid.slice(PREFIX.length));
  return row !== undefined && formatGid(row) === gid ? row : undefined;
}

/** What the gids of every opening of a branch begin with, and no other's do. */
export function gidPrefix(xid: Xid): string {
  return `${PREFIX}${formatXid(xid)}:`;
}

/** `PREPARE TRANSACTION` and its relatives take no parameters (42601), so the literal is built here, from an alphabet without quotes. */
export function gidLiteral(row: EvidenceRow): string {
  const gid = formatGid(row);
  assert(/^concordat:[a-z0-9.]+:[a-z0-9.-]+:[a-z2-7]+$/.test(gid), 'a gid needs no quoting');
  assert(gid.length <= GID_BYTES_MAX, 'every Xid fits a PostgreSQL gid');
  return `'${gid}'`;
}

/** The application name of a session while it serves a branch: any later life finds it by that and can end it. */
export function sessionTag(row: EvidenceRow): string {
  return sessionTagPrefix(row) + row.opening;
}

/** What the names of the sessions of every opening begin with: as their gids where those fit, else a digest. */
export function sessionTagPrefix(xid: Xid): string {
  const prefix = gidPrefix(xid);
  return prefix.length + OPENING_LENGTH <= APPLICATION_NAME_BYTES_MAX
    ? prefix
    : `${PREFIX}#${createHash('sha256').update(prefix).digest('hex').slice(0, 36)}:`;
}
