// The statements that change a log file. The same writer serves the main thread and the worker, never both at once.
import type Database from 'better-sqlite3';
import { assert, unreachable } from '../../../lib/assert.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { FrameHeader, Life, SegmentHeader } from '../../chain.ts';
import { assertFull } from './connection.ts';
import { Presence } from './presence.ts';
import { lifeValues, UPDATE_LIFE } from './schema.ts';

export interface NewFrame extends FrameHeader {
  readonly hash: Uint8Array;
  readonly payload: Uint8Array;
}

export interface NewSegment extends SegmentHeader {
  readonly payload: Uint8Array;
}

/** One thing to do to the file, complete with every hash, so that a thread needs nothing else to do it. */
export type FileWork =
  | { readonly kind: 'append'; readonly frame: NewFrame }
  /** Moves the old end of the journal: adds what is kept of it, then removes what `life` says is behind its anchors. */
  | {
      readonly kind: 'compact';
      readonly life: Life;
      readonly frame: NewFrame | undefined;
      readonly segment: NewSegment | undefined;
    }
  | { readonly kind: 'change-life'; readonly life: Life; readonly from: number }
  | { readonly kind: 'checkpoint'; readonly mode: 'PASSIVE' | 'TRUNCATE' };

/** Every statement compares the epoch in the transaction that it writes in: a log that another life owns takes nothing. */
const INSERT_FRAME = `INSERT INTO frame (number, epoch, last, records, hash, payload)
  SELECT ?, epoch, ?, ?, ?, ? FROM life WHERE id = 1 AND epoch = ?`;
const INSERT_SEGMENT = 'INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';

export interface Writer {
  /**
   * Does one piece of work in one transaction, which is on stable storage when this returns.
   * @returns the microseconds that the commit took, with its fsync; 0 for a checkpoint.
   * @throws whatever SQLite reports: the work may be there or not, and the connection must not be written to again.
   */
  perform(work: FileWork): number;
}

/** Prepares the statements on a connection of `openWriter`. */
export function createWriter(db: Database.Database, clock: Clock): Writer {
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const insertFrame = db.prepare(INSERT_FRAME);
  const insertSegment = db.prepare(INSERT_SEGMENT);
  const deleteFrames = db.prepare('DELETE FROM frame WHERE number <= ?');
  const deleteSegments = db.prepare('DELETE FROM segment WHERE number <= ?');
  const updateLife = db.prepare(UPDATE_LIFE);
  const presence = new Presence(db.name);
  let fullVerified = false;

  function transaction(body: () => void): number {
    presence.checkUncut();
    begin.run();
    body();
    const started = clock.now();
    commit.run();
    const micros = Math.round((clock.now() - started) * 1_000);
    if (!fullVerified) {
      assertFull(db);
      fullVerified = true;
    }
    presence.check();
    return micros;
  }

  function addFrame(frame: NewFrame): void {
    const { number, epoch, last, records, hash, payload } = frame;
    const { changes } = insertFrame.run(number, last, records, hash, payload, epoch);
    assert(changes === 1, `the log is not in epoch ${epoch} any more: another coordinator has opened it`);
  }

  function changeLife(life: Life, from: number): void {
    const { changes } = updateLife.run(...lifeValues(life), from);
    assert(changes === 1, `the log is not in epoch ${from} any more: another coordinator has opened it`);
  }

  return {
    perform(work) {
      switch (work.kind) {
        case 'append':
          return transaction(() => addFrame(work.frame));
        case 'compact':
          return transaction(() => {
            if (work.frame !== undefined) {
              addFrame(work.frame);
            }
            if (work.segment !== undefined) {
              insertSegment.run(...segmentValues(work.segment));
            }
            deleteFrames.run(work.life.anchorFrame);
            deleteSegments.run(work.life.droppedSegment);
            changeLife(work.life, work.life.epoch);
          });
        case 'change-life':
          return transaction(() => changeLife(work.life, work.from));
        case 'checkpoint':
          checkpoint(db, work.mode);
          if (work.mode === 'TRUNCATE') {
            presence.emptied();
          }
          return 0;
        default:
          return unreachable(work);
      }
    },
  };
}

interface CheckpointRow {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

/** A passive checkpoint may leave what a reader still needs; the one at start and end may not leave anything. */
function checkpoint(db: Database.Database, mode: 'PASSIVE' | 'TRUNCATE'): void {
  const [row] = db.pragma(`wal_checkpoint(${mode})`) as readonly CheckpointRow[];
  const complete = row !== undefined && row.log === row.checkpointed;
  assert(mode === 'PASSIVE' || complete, 'the log could not be checkpointed: something else holds it open');
}

function segmentValues(segment: NewSegment): readonly (number | Uint8Array)[] {
  return [
    segment.number,
    segment.outcomes,
    segment.records,
    segment.lowEpoch,
    segment.lowSequence,
    segment.highEpoch,
    segment.highSequence,
    segment.wallTime,
    segment.payloadHash,
    segment.hash,
    segment.payload,
  ];
}
