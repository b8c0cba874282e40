// The SQLite file of a log: its marks, its tables, and the row of a life in both directions.
import type Database from 'better-sqlite3';
import { assert } from '../../../lib/assert.ts';
import { parseLogIdentity, SEQUENCE_MAX } from '../../../xa/xid.ts';
import type { Life } from '../../chain.ts';
import { lifeSeal, sameHash } from '../../chain.ts';
import type { Id } from '../../horizon.ts';

/** "CDLG" in ASCII, in the file header: tells a log from every other SQLite database. */
export const APPLICATION_ID = 0x43444c47;
/** In the file header as user_version. A file with a higher one is refused; lower ones are read. */
export const FORMAT_VERSION = 3;

const LIFE_COLUMNS = `
  id INTEGER PRIMARY KEY CHECK (id = 1),
  identity TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  next_epoch INTEGER NOT NULL,
  anchor_frame INTEGER NOT NULL,
  anchor_sequence INTEGER NOT NULL,
  anchor_hash BLOB NOT NULL,
  dropped_segment INTEGER NOT NULL,
  dropped_hash BLOB NOT NULL,
  newest_segment INTEGER NOT NULL,
  newest_hash BLOB NOT NULL,
  watermark_epoch INTEGER NOT NULL,
  watermark_sequence INTEGER NOT NULL,`;

export const TABLES: Readonly<Record<string, string>> = {
  life: `CREATE TABLE life (${LIFE_COLUMNS}
  lost_to INTEGER NOT NULL,
  token TEXT NOT NULL,
  seal BLOB NOT NULL
) STRICT`,
  frame: `CREATE TABLE frame (
  number INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  last INTEGER NOT NULL,
  records INTEGER NOT NULL,
  hash BLOB NOT NULL,
  payload BLOB NOT NULL
) STRICT`,
  segment: `CREATE TABLE segment (
  number INTEGER PRIMARY KEY,
  outcomes INTEGER NOT NULL,
  records INTEGER NOT NULL,
  low_epoch INTEGER NOT NULL,
  low_sequence INTEGER NOT NULL,
  high_epoch INTEGER NOT NULL,
  high_sequence INTEGER NOT NULL,
  wall_time INTEGER NOT NULL,
  payload_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  payload BLOB NOT NULL
) STRICT`,
};

/** Format 1 did not say what a restored log lacks, format 2 had no token. `upgradeLog` makes them format 3 at the next start. */
const OLDER_LIFE: Readonly<Record<1 | 2, string>> = {
  1: `CREATE TABLE life (${LIFE_COLUMNS}
  seal BLOB NOT NULL
) STRICT`,
  2: `CREATE TABLE life (${LIFE_COLUMNS}
  lost_to INTEGER NOT NULL,
  seal BLOB NOT NULL
) STRICT`,
};

/** The tables of a log by its `user_version`; undefined: there never was such a format. */
export function tablesOf(format: unknown): Readonly<Record<string, string>> | undefined {
  if (format === 1 || format === 2) {
    return { ...TABLES, life: OLDER_LIFE[format] };
  }
  return format === FORMAT_VERSION ? TABLES : undefined;
}

interface LifeRow {
  readonly identity: string;
  readonly epoch: number;
  readonly next_epoch: number;
  readonly anchor_frame: number;
  readonly anchor_sequence: number;
  readonly anchor_hash: Uint8Array;
  readonly dropped_segment: number;
  readonly dropped_hash: Uint8Array;
  readonly newest_segment: number;
  readonly newest_hash: Uint8Array;
  readonly watermark_epoch: number;
  readonly watermark_sequence: number;
  /** Absent in format 1. */
  readonly lost_to?: number;
  /** Absent in formats 1 and 2. */
  readonly token?: string;
  readonly seal: Uint8Array;
}

/** The values of a life, in the order of `INSERT_LIFE` and `UPDATE_LIFE`. */
export function lifeValues(life: Life): readonly (string | number | Uint8Array)[] {
  return [
    life.identity,
    life.epoch,
    life.nextEpoch,
    life.anchorFrame,
    life.anchorSequence,
    life.anchorHash,
    life.droppedSegment,
    life.droppedHash,
    life.newestSegment,
    life.newestHash,
    life.watermarkEpoch,
    life.watermarkSequence,
    life.lostTo,
    life.token,
    lifeSeal(life),
  ];
}

export const INSERT_LIFE = 'INSERT INTO life VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';

/** Takes `lifeValues` and the epoch that the row must still have; zero changed rows: another life has begun. */
export const UPDATE_LIFE = `UPDATE life SET identity = ?, epoch = ?, next_epoch = ?,
  anchor_frame = ?, anchor_sequence = ?, anchor_hash = ?, dropped_segment = ?, dropped_hash = ?,
  newest_segment = ?, newest_hash = ?, watermark_epoch = ?, watermark_sequence = ?,
  lost_to = ?, token = ?, seal = ?
  WHERE id = 1 AND epoch = ?`;

/** Its watermark said it: the whole of a life, and not the id of a transaction that was removed. What rose above it hid it. */
function lostToOfFormat1(watermark: Id): number {
  return watermark.sequence === SEQUENCE_MAX ? watermark.epoch : -1;
}

/**
 * Rewrites the row of the life of a log that has been verified, if its format is older, in one transaction. A crash leaves a
 * whole log of the old format or of the new one.
 */
export function upgradeLog(db: Database.Database): void {
  if (db.pragma('user_version', { simple: true }) === FORMAT_VERSION) {
    return;
  }
  const life = readLife(db);
  assert(typeof life !== 'string', `only a log that was verified is upgraded: ${String(life)}`);
  db.transaction(() => {
    db.exec(`DROP TABLE life; ${TABLES['life']}`);
    db.prepare(INSERT_LIFE).run(...lifeValues(life));
    db.pragma(`user_version = ${FORMAT_VERSION}`);
  }).immediate();
}

/** The life of an open log file, or a sentence that says why it is not whole. */
export function readLife(db: Database.Database): Life | string {
  const rows = db.prepare<[], LifeRow>('SELECT * FROM life').all();
  const [row] = rows;
  if (row === undefined || rows.length !== 1) {
    return `the table life has ${rows.length} rows instead of one`;
  }
  const identity = parseLogIdentity(row.identity);
  if (identity === undefined) {
    return 'the log identity is outside its grammar';
  }
  const life: Life = {
    identity,
    epoch: row.epoch,
    nextEpoch: row.next_epoch,
    anchorFrame: row.anchor_frame,
    anchorSequence: row.anchor_sequence,
    anchorHash: row.anchor_hash,
    droppedSegment: row.dropped_segment,
    droppedHash: row.dropped_hash,
    newestSegment: row.newest_segment,
    newestHash: row.newest_hash,
    watermarkEpoch: row.watermark_epoch,
    watermarkSequence: row.watermark_sequence,
    lostTo: row.lost_to ?? lostToOfFormat1({ epoch: row.watermark_epoch, sequence: row.watermark_sequence }),
    token: row.token ?? '',
  };
  const seal = lifeSeal(life, row.lost_to === undefined ? 1 : row.token === undefined ? 2 : FORMAT_VERSION);
  return sameHash(row.seal, seal) ? life : 'the row of the table life does not match its seal';
}
