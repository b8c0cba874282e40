// How far back the log's silence speaks: above the watermark it means that nothing was decided, below it nothing. Pure.
import type { Gtrid, GtridParts, LogIdentity } from '../xa/xid.ts';
import { gtridParts, SEQUENCE_MAX } from '../xa/xid.ts';

export type Id = Pick<GtridParts, 'epoch' | 'sequence'>;

/** The order in which ids are given out. */
export function compareIds(left: Id, right: Id): number {
  return left.epoch - right.epoch || left.sequence - right.sequence;
}

export interface Horizon {
  readonly identity: LogIdentity;
  /** The present epoch. */
  readonly epoch: number;
  /** The highest id that was ever removed. */
  readonly watermark: Id;
}

/**
 * The last life of which decisions may be missing, as in a restored backup; -1: none. Such a log's watermark is the whole of a life, and
 * not the id of a transaction that was removed.
 */
export function lostTo(watermark: Id): number {
  return watermark.sequence === SEQUENCE_MAX ? watermark.epoch : -1;
}

/**
 * What it means that a transaction has no record: nothing was decided, or nothing can be concluded. An id of another log, or
 * of a life that this log does not know (D8), is beyond the horizon as well.
 */
export function silence(gtrid: Gtrid, horizon: Horizon): { readonly kind: 'silent' | 'expired' } {
  const id = gtridParts(gtrid);
  const ours = id.identity === horizon.identity && id.epoch <= horizon.epoch;
  return { kind: ours && compareIds(id, horizon.watermark) > 0 ? 'silent' : 'expired' };
}
