// Questions to a participant that expect one answer each: an operator's scan, a probe of a branch.

import type { Reason__Output as WireReason } from '../../gen/concordat/v1/Reason.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { QUESTION_MS } from '../../xa/times.ts';
import { escaped } from '../edge/requests.ts';

const OPEN_MAX = 1_000;

interface Pending {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: CoordinatorError) => void;
  readonly timer: Timer;
}

export class PendingAnswers {
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws {CoordinatorError} RESOURCE_UNAVAILABLE when no answer came, or the participant's own error. */
  ask<Answer>(send: (id: number) => void): Promise<Answer> {
    if (this.#pending.size >= OPEN_MAX) {
      return Promise.reject(
        new CoordinatorError('RESOURCE_UNAVAILABLE', 'the participant has too many questions open'),
      );
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise<Answer>((resolve, reject) => {
      const timer = this.#clock.after(QUESTION_MS, () => {
        this.#pending.delete(id);
        reject(new CoordinatorError('RESOURCE_UNAVAILABLE', `the participant did not answer within ${QUESTION_MS} ms`));
      });
      this.#pending.set(id, { resolve, reject, timer });
      send(id);
    });
  }

  settle(id: number, answer: unknown, error: WireReason | null): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      return; // Late: its asker has given up.
    }
    this.#pending.delete(id);
    pending.timer.cancel();
    if (error !== null) {
      pending.reject(new CoordinatorError('RESOURCE_UNAVAILABLE', escaped(error.message)));
    } else {
      pending.resolve(answer as never);
    }
  }

  close(): void {
    for (const { timer, reject } of this.#pending.values()) {
      timer.cancel();
      reject(new CoordinatorError('RESOURCE_UNAVAILABLE', 'the participant went away before it answered'));
    }
    this.#pending.clear();
  }
}
