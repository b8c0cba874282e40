// Judges transactions whose branches a database has lost with its history: what was decided and not yet carried out there is damage, and
// must be recorded; what was carried out before is the database's loss, and no proof of the other databases' ends.
import { parseRow } from '../../src/xa/evidence.ts';
import { gtridParts } from '../../src/xa/xid.ts';
import type { Attempt } from './attempt.ts';
import type { System } from './system.ts';

type Say = (what: string, details: string) => void;

export class HistoryJudge {
  readonly #system: System;
  readonly #say: Say;
  readonly #decidedAt = new Map<string, number>();

  constructor(system: System, say: Say) {
    this.#system = system;
    this.#say = say;
  }

  decided(gtrid: string): void {
    this.#decidedAt.set(gtrid, this.#system.world.now);
  }

  /** Told to be applied: what was decided after the cut cannot be applied where it was lost. */
  isLateLie({ gtrid, cutAt, lostPrepared }: Attempt): boolean {
    return lostPrepared.size > 0 && (this.#decidedAt.get(gtrid) ?? Number.NEGATIVE_INFINITY) > cutAt;
  }

  /** What came back with an earlier state, and is in the log still, goes the way of the decision once more. */
  rolledBack(site: string, id: string): void {
    const { coordinator } = this.#system;
    const gtrid = parseRow(id)?.gtrid;
    if (gtrid !== undefined && coordinator.knowsDecision(gtrid)) {
      this.#say('D2', `${site} rolls ${id} back, which came back with its history, and it is decided`);
    }
  }

  /** At the end: an opening that was prepared, was lost, and was decided, could be committed by nobody. */
  ends({ gtrid, lostPrepared, meddled }: Attempt, isDamaged: boolean, isDecidedRow: (id: string) => boolean): void {
    const isKnown = gtridParts(gtrid).epoch > this.#system.restoredEpoch;
    const lost = [...lostPrepared].filter(isDecidedRow);
    if (lost.length > 0 && isKnown && !isDamaged && !meddled && this.#system.coordinator.durable.has(gtrid)) {
      this.#say('D4', `${lost.join(', ')} is decided, its database has lost it, and no damage is in the log`);
    }
  }
}
