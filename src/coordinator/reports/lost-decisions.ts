// Transactions whose decision this log has lost: their prepared branches are kept, and settled by a person's word alone (D7, D8).
import type { Log } from '../../log/log.ts';
import type { LogRecord } from '../../log/record.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Gtrid } from '../../xa/xid.ts';
import type { Driver } from '../driver/driver.ts';
import { judgeLost, type Resolution, type Word } from '../engine/operator.ts';
import { recordsOfWord, settledByWord } from '../engine/recovered.ts';
import type { Quarantine } from './quarantine.ts';

interface LostDecisionsParts {
  readonly driver: Driver;
  readonly log: Log;
  readonly quarantine: Quarantine;
}

export class LostDecisions {
  readonly #parts: LostDecisionsParts;

  constructor(parts: LostDecisionsParts) {
    this.#parts = parts;
  }

  /** @returns the effects, one sentence each. @throws {CoordinatorError} TXN_STATE */
  judge(gtrid: Gtrid, resolution: Resolution): { readonly word: Word; readonly effects: readonly string[] } {
    const { log, quarantine } = this.#parts;
    const kept = quarantine.of(gtrid).map(({ bqual }) => bqual);
    const judgement = judgeLost(gtrid, resolution, { epoch: log.recovered.epoch, kept });
    if (judgement.kind === 'refused') {
      throw new CoordinatorError(judgement.code, judgement.message);
    }
    return judgement;
  }

  /** The records of a word, to be written together with the action that says whose it is. */
  records(gtrid: Gtrid, word: Word, requestId: string): readonly LogRecord[] {
    return recordsOfWord(gtrid, word, this.#parts.quarantine.of(gtrid), requestId);
  }

  /** The records are durable: what was kept is finished through the same door as everything else. */
  release(gtrid: Gtrid, word: Word, records: readonly LogRecord[]): void {
    const { driver, quarantine } = this.#parts;
    const kept = quarantine.of(gtrid);
    for (const branch of kept) {
      quarantine.remove(branch);
    }
    const step = settledByWord(gtrid, word, kept, records);
    if (step !== undefined) {
      driver.admit(gtrid, step.state, { effects: step.effects, operatorAction: true });
    }
  }
}
