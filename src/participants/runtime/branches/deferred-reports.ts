// Which open branches the coordinator has still to be told of. A branch that its client names to the coordinator itself can wait a
// moment: mostly its vote comes first and says the same, which saves a message and a wake-up of the coordinator.
import type { ParticipantMessage } from '../../../gen/concordat/v1/ParticipantMessage.ts';
import type { Clock, Timer } from '../../../lib/clock.ts';
import type { EvidenceRow } from '../../../xa/evidence.ts';
import { openedMessage } from '../../attach/report.ts';

/** Soon enough for operators, and for a client that dies without having named its branch. */
const PATIENCE_MS = 100;

export class DeferredReports {
  readonly #clock: Clock;
  readonly #report: (message: ParticipantMessage) => void;
  readonly #untold = new Map<string, EvidenceRow>();
  #timer: Timer | undefined;

  constructor(clock: Clock, report: (message: ParticipantMessage) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /** @param named its client names the branch to the coordinator; any other is told of in this turn (D3). */
  opened(key: string, row: EvidenceRow, named: boolean): void {
    if (!named) {
      this.#report(openedMessage(row));
      return;
    }
    this.#untold.set(key, row);
    this.#timer ??= this.#clock.after(PATIENCE_MS, this.#tell);
  }

  /** Its vote is about to be told, or it is over: nobody needs to hear any more that it was opened. */
  over(key: string): void {
    this.#untold.delete(key);
  }

  readonly #tell = (): void => {
    this.#timer = undefined;
    for (const row of this.#untold.values()) {
      this.#report(openedMessage(row));
    }
    this.#untold.clear();
  };
}
