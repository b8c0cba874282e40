// Carries out what the engine asks for: calls to participants, records for the log, retries, answers, alarms.
import { unreachable } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { failpoint } from '../../lib/failpoint.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Log } from '../../log/log.ts';
import type { LogRecord } from '../../log/record.ts';
import type { Calls } from '../calls/calls.ts';
import type { EvidenceRows } from '../calls/evidence-rows.ts';
import { rowsOf } from '../engine/completed.ts';
import type { Effect, Event } from '../engine/event.ts';
import { withOrigin } from './origin.ts';
import type { HeldTransaction } from './transaction.ts';
import type { Unfinished } from './unfinished.ts';
import type { Waiting } from './waiting.ts';

interface EffectsParts {
  readonly log: Log;
  readonly clock: Pick<Clock, 'wallTime'>;
  readonly calls: Calls;
  readonly evidence: EvidenceRows;
  readonly waiting: Waiting;
  readonly unfinished: Unfinished;
  readonly logger: EventLogger;
  readonly apply: (transaction: HeldTransaction, event: Event) => void;
  /** A record may or may not be durable: nothing may go on (D2). */
  readonly fail: (error: unknown) => void;
}

/** Of one transaction: enough to know that something is wrong with it, however long its participants go on. */
const ALARMS_MAX = 100;

export class Effects {
  readonly #parts: EffectsParts;

  constructor(parts: EffectsParts) {
    this.#parts = parts;
  }

  perform(transaction: HeldTransaction, effect: Effect): void {
    const { calls, waiting, unfinished } = this.#parts;
    switch (effect.kind) {
      case 'prepare':
      case 'finish':
        calls.start(transaction.gtrid, effect);
        break;
      case 'decide':
        failpoint('before-decision');
        this.#force(transaction, withOrigin(transaction, effect.record, this.#parts.clock.wallTime()), {
          kind: 'decision-durable',
        });
        break;
      case 'record-damage':
        this.#force(transaction, effect.record, { kind: 'damage-durable', bqual: effect.bqual });
        break;
      case 'finished':
        failpoint('before-finished');
        this.#finished(transaction, effect.record);
        break;
      case 'retry':
        waiting.retryLater(transaction, effect.bqual, effect.attempts);
        unfinished.retried(transaction, effect.bqual);
        break;
      case 'answer':
        waiting.answer(transaction, effect.level);
        break;
      case 'alarm':
        this.#alarm(transaction, effect);
        break;
      case 'refuse-enlist':
      case 'refuse-end':
        break; // The driver has told its caller.
      default:
        unreachable(effect);
    }
  }

  /** Once: what a participant repeats is no news. */
  #alarm(transaction: HeldTransaction, { bqual, message }: Extract<Effect, { kind: 'alarm' }>): void {
    const { gtrid } = transaction;
    const alarms = transaction.alarms ?? new Set();
    transaction.alarms = alarms;
    const text = `${bqual} ${message}`;
    if (!alarms.has(text) && alarms.size < ALARMS_MAX) {
      alarms.add(text);
      this.#parts.logger.error({ evt: 'branch-alarm', txn: gtrid, branch: bqual, message });
    }
  }

  #force(transaction: HeldTransaction, record: LogRecord, then: Event): void {
    const { log, evidence, apply, fail } = this.#parts;
    log.append([record], 'forced').then(() => {
      if (then.kind === 'decision-durable') {
        failpoint('decision-durable');
      }
      evidence.madeDurable();
      apply(transaction, then);
    }, fail);
    evidence.forcedStarted();
  }

  #finished(transaction: HeldTransaction, record: LogRecord): void {
    const { log, evidence, fail } = this.#parts;
    log.append([record], 'lazy').catch(fail);
    if (transaction.state.kind === 'completed') {
      evidence.accountedFor(rowsOf(transaction.state));
    }
  }
}
