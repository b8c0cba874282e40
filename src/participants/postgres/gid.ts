// How a branch is spelled at PostgreSQL: its gid, its evidence, and the name that its session carries.
import { createHash } from 'node:crypto';
import { assert } from '../../lib/assert.ts';
import type { Evidence } from '../../xa/vocabulary.ts';
import { formatXid, parseXid, type Xid } from '../../xa/xid.ts';

const PREFIX = 'concordat:';
/** PostgreSQL takes gids of fewer than 200 bytes; ours have at most 10 + 40 + 1 + 35. */
const GID_BYTES_MAX = 86;
/** NAMEDATALEN - 1: longer application names are cut. */
const APPLICATION_NAME_BYTES_MAX = 63;

export function formatGid(xid: Xid): string {
  return PREFIX + formatXid(xid);
}

/** Undefined: not ours. Exact: a gid that we would spell in another way is not ours either. */
export function parseGid(gid: string): Xid | undefined {
  if (!gid.startsWith(PREFIX)) {
    return undefined;
  }
  const xid = parseXid(gid.slice(PREFIX.length));
  return xid !== undefined && formatGid(xid) === gid ? xid : undefined;
}

/** `PREPARE TRANSACTION` and its relatives take no parameters (42601), so the literal is built here, from an alphabet without quotes. */
export function gidLiteral(xid: Xid): string {
  const gid = formatGid(xid);
  assert(/^concordat:[a-z0-9.]+:[a-z0-9.-]+$/.test(gid), 'a gid needs no quoting');
  assert(gid.length <= GID_BYTES_MAX, 'every Xid fits a PostgreSQL gid');
  return `'${gid}'`;
}

/**
 * The application name of a session while it serves a branch: any later life finds it by that and can end it. The gid itself
 * where it fits, else a digest of it.
 */
export function sessionTag(xid: Xid): string {
  const gid = formatGid(xid);
  return gid.length <= APPLICATION_NAME_BYTES_MAX
    ? gid
    : `${PREFIX}#${createHash('sha256').update(gid).digest('hex').slice(0, 48)}`;
}

export function formatEvidence(xid8: string): Evidence {
  return `xid8:${xid8}`;
}

/** The transaction number; undefined: no evidence, or none that we wrote. */
export function parseEvidence(evidence: Evidence): string | undefined {
  return /^xid8:([1-9][0-9]{0,19})$/.exec(evidence)?.[1];
}

/**
 * The 64-bit number of a transaction of which `pg_prepared_xacts` shows the low 32 bits: the nearest to `next`, the engine's
 * next number, for no transaction that still exists is 2^31 or more away. It may be above `next`: that one only rises with ends.
 */
export function widenXid(low: string, next: string): bigint {
  return BigInt(next) + BigInt.asIntN(32, BigInt(low) - BigInt.asUintN(32, BigInt(next)));
}
