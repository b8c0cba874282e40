// Why an engine did not end a branch as it was told: calls are repeated, and their reason is one line in a while.
import type { Clock } from '../../../lib/clock.ts';
import type { EventLogger } from '../../../lib/logger.ts';
import { SAME_REASON_MS } from '../../../xa/times.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import type { FinishVerb } from '../../engine/call.ts';

const REASONS_MAX = 1_000;

export class ReasonLines {
  readonly #clock: Clock;
  readonly #logger: EventLogger;
  #toldMs = new Map<string, number>();

  constructor(clock: Clock, logger: EventLogger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  tell(key: string, verb: FinishVerb, answer: { readonly kind: string; readonly reason: Reason }): void {
    const { kind, reason } = answer;
    if (kind !== 'not-yet' && kind !== 'unknown' && kind !== 'unproven') {
      return;
    }
    const why = `${verb} ${kind} ${reason.code} ${reason.sqlstate ?? ''} ${reason.errno ?? ''}`;
    const now = this.#clock.now();
    const toldMs = this.#toldMs.get(why);
    if (toldMs !== undefined && now - toldMs < SAME_REASON_MS) {
      return;
    }
    if (this.#toldMs.size >= REASONS_MAX) {
      this.#toldMs = new Map();
    }
    this.#toldMs.set(why, now);
    this.#logger.warn({ evt: 'branch-not-ended', branch: key, verb, result: kind, ...reason });
  }
}
