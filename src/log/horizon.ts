// How far back the log's silence speaks: above the watermark it means that nothing was decided, below it nothing. Pure.
import type { Gtrid, GtridParts, LogIdentity } from '../xa/xid.ts';
import { gtridParts, SEQUENCE_MAX } from '../xa/xid.ts';

export type Id = Pick<GtridParts, 'epoch' | 'sequence'>;

/** The order in which ids are given out. */
export function compareIds(left: Id, right: Id): number {
  return left.epoch - right.epoch || left.sequence - right.sequence;
}

interface Horizon {
  readonly identity: LogIdentity;
  /** The present epoch. */
  readonly epoch: number;
  /** The highest id that was ever removed. */
  readonly watermark: Id;
}

/** What a log says of itself that lacks decisions of lives up to `epoch`: restored from a backup, or without its high-water mark. */
export function lackingUpTo(epoch: number) {
  return { lostTo: epoch, watermarkEpoch: epoch, watermarkSequence: SEQUENCE_MAX };
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
