// Identity of global transactions and branches: the grammar, and who owns what.
import type { Brand } from '../lib/brand.ts';

/** 10 characters of `[a-z2-7]`, made once for each log. It owns every transaction that carries it. */
export type LogIdentity = Brand<string, 'LogIdentity'>;
/** `<identity>.<epoch>.<sequence>`, numbers in base 36 without leading zeros; at most 40 bytes. */
export type Gtrid = Brand<string, 'Gtrid'>;
/** `<resource>` or `<resource>.<n>`, n from 1 to 9999: unique within its global transaction. */
export type Bqual = Brand<string, 'Bqual'>;
/** `[a-z][a-z0-9-]{0,29}` */
export type ResourceName = Brand<string, 'ResourceName'>;

/** A transaction branch (X/Open XA: the XID). */
export interface Xid {
  readonly gtrid: Gtrid;
  readonly bqual: Bqual;
}

export interface GtridParts {
  readonly identity: LogIdentity;
  readonly epoch: number;
  readonly sequence: number;
}

/** "CDAT" in ASCII: the formatID of every branch of ours at MySQL and MariaDB, within their 0 to 2^31-1. */
export const FORMAT_ID = 0x43444154;
export const GTRID_BYTES_MAX = 40;
export const BQUAL_BYTES_MAX = 35;
export const IDENTITY_LENGTH = 10;
/** Every id stays an exact JavaScript number. */
export const SEQUENCE_MAX = 36 ** 10 - 1;
export const EPOCH_MAX = 36 ** 7 - 1;
/** Characters of the random token that tells the lives of a log apart which have the same epoch: copies of one log. */
export const LIFE_TOKEN_LENGTH = 12;
/**
 * How far above the epoch that a database knows the next one may be. A log rises by one at each start; a leap is somebody else's, and
 * would keep the real coordinator away for good.
 */
export const EPOCH_LEAP_MAX = 10_000;

const IDENTITY = /^[a-z2-7]{10}$/;
const RESOURCE = /^[a-z][a-z0-9-]{0,29}$/;
const BQUAL = /^([a-z][a-z0-9-]{0,29})(?:\.([1-9][0-9]{0,3}))?$/;
const GTRID = /^([a-z2-7]{10})\.(0|[1-9a-z][0-9a-z]{0,6})\.(0|[1-9a-z][0-9a-z]{0,9})$/;

export function parseLogIdentity(text: string): LogIdentity | undefined {
  return IDENTITY.test(text) ? (text as LogIdentity) : undefined;
}

export function parseResourceName(text: string): ResourceName | undefined {
  return RESOURCE.test(text) ? (text as ResourceName) : undefined;
}

export function parseBqual(text: string): Bqual | undefined {
  return BQUAL.test(text) ? (text as Bqual) : undefined;
}

export function parseGtrid(text: string): Gtrid | undefined {
  return GTRID.test(text) ? (text as Gtrid) : undefined;
}

/** @throws {TypeError} never for a value that `parseGtrid` or `formatGtrid` made. */
export function gtridParts(gtrid: Gtrid): GtridParts {
  const [identity, epoch, sequence] = gtrid.split('.');
  if (identity === undefined || epoch === undefined || sequence === undefined) {
    throw new TypeError(`not a gtrid: ${gtrid}`);
  }
  return {
    identity: identity as LogIdentity,
    epoch: Number.parseInt(epoch, 36),
    sequence: Number.parseInt(sequence, 36),
  };
}

export function formatGtrid(parts: GtridParts): Gtrid {
  return `${parts.identity}.${parts.epoch.toString(36)}.${parts.sequence.toString(36)}` as Gtrid;
}

/** Exact, delimited comparison: `abc` never owns a transaction of `abcd` (conformance H1). */
export function ownsGtrid(identity: LogIdentity, gtrid: Gtrid): boolean {
  return gtridParts(gtrid).identity === identity;
}

/** The resource that a branch belongs to: its bqual up to the dot. */
export function resourceOf(bqual: Bqual): ResourceName {
  const dot = bqual.indexOf('.');
  return (dot === -1 ? bqual : bqual.slice(0, dot)) as string as ResourceName;
}

export function formatBqual(resource: ResourceName, n?: number): Bqual {
  return (n === undefined ? resource : `${resource}.${n}`) as string as Bqual;
}

/** One string for a branch, for maps and for PostgreSQL's gid. */
export function formatXid(xid: Xid): string {
  return `${xid.gtrid}:${xid.bqual}`;
}

export function parseXid(text: string): Xid | undefined {
  const colon = text.indexOf(':');
  const gtrid = parseGtrid(text.slice(0, Math.max(0, colon)));
  const bqual = parseBqual(text.slice(colon + 1));
  return gtrid !== undefined && bqual !== undefined ? { gtrid, bqual } : undefined;
}
