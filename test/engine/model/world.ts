// The world around the engine: a log that forces in order and may crash, a network that loses, repeats and reorders everything,
// and a host that does what the driver does. Judges look at every step of it.

import type { Effect, Event, Verb } from '../../../src/coordinator/engine/event.ts';
import { judge, type Resolution } from '../../../src/coordinator/engine/operator.ts';
import { decidedLongAgo, orphan, recovered } from '../../../src/coordinator/engine/recovered.ts';
import { openTransaction, type State } from '../../../src/coordinator/engine/state.ts';
import { step } from '../../../src/coordinator/engine/step.ts';
import type { LogRecord } from '../../../src/log/record.ts';
import { type Evidence, NO_EVIDENCE } from '../../../src/xa/evidence.ts';
import type { Reason, Vote } from '../../../src/xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../../src/xa/xid.ts';
import { describeEvent } from '../trace.ts';
import { Judges } from './judges.ts';
import { type Life, Participants } from './participants.ts';

type Call = Extract<Effect, { kind: 'prepare' | 'finish' }>;

export const GTRID = 'abcdefghij.1.1' as Gtrid;
export const REASON: Reason = { code: 'TXN_ROLLED_BACK', message: 'as the model says', retryable: true };

export class World {
  readonly participants = new Participants();
  readonly judges = new Judges(this.participants);
  /** Undefined: the process has restarted, and the log is silent. */
  state: State | undefined = openTransaction(GTRID);
  /** On the way to the coordinator, in no order that could be relied on. */
  inbox: Event[] = [];
  /** On the way to participants. */
  calls: Call[] = [];
  /** What the log is writing, in order, each with the event that tells of it. */
  writing: { readonly record: LogRecord; readonly told: Event }[] = [];
  readonly durable: LogRecord[] = [];
  readonly retries = new Set<Bqual>();
  /** The last events, for the message of a failure. */
  readonly history: string[] = [];
  #lazy: LogRecord[] = [];

  get decided(): Extract<LogRecord, { kind: 'decided' }> | undefined {
    return this.durable.find((record) => record.kind === 'decided');
  }

  apply(event: Event): void {
    this.history.push(describeEvent(event));
    if (this.state === undefined) {
      this.#unknown(event);
      return;
    }
    const before = this.state;
    this.judges.heard(event);
    const { state, effects } = step(before, event);
    this.judges.checkStable(before, event, { state, effects });
    this.#enter(state, effects);
  }

  /** The oldest write is on stable storage. */
  write(): void {
    const next = this.writing.shift();
    if (next !== undefined) {
      this.durable.push(...this.#lazy, next.record);
      this.#lazy = [];
      this.apply(next.told);
    }
  }

  /** The process dies with the first `written` of what it was writing on the disk, and starts again. */
  crash(written: number): void {
    this.history.push('crash');
    const kept = this.writing.slice(0, written).map(({ record }) => record);
    this.durable.push(...(kept.length === 0 ? [] : this.#lazy), ...kept);
    this.#lazy = [];
    this.writing = [];
    this.retries.clear();
    this.state = undefined;
    if (this.judges.isOnePhase) {
      // Streams die with the process, and what was in them. With a decision that makes no difference, so there messages of the
      // earlier life may still come. One phase has no record: a call that came after its life would be obeyed, and never known of.
      this.inbox = [];
      this.calls = [];
    }
    this.judges.restarted(this.decided);
    const isFinished = this.durable.some(({ kind }) => kind === 'finished');
    const step = isFinished ? undefined : recovered(GTRID, this.durable, -1);
    if (step !== undefined) {
      this.#enter(step.state, step.effects);
    }
  }

  /** An operator's action is judged, forced, and only then heard of. */
  operate(resolution: Extract<Resolution, { kind: 'rollback' | 'branch' }>): void {
    if (this.state === undefined || judge(this.state, resolution, () => false).kind === 'refused') {
      return;
    }
    const by = { operator: 'ops', reason: 'the model says so', requestId: '', wallTime: 0 };
    const isRollback = resolution.kind === 'rollback';
    const end = isRollback ? 'rolled-back' : resolution.end;
    const action = isRollback ? 'rollback' : end === 'committed' ? 'branch-committed' : 'branch-rolled-back';
    const bqual = isRollback ? {} : { bqual: resolution.bqual };
    this.writing.push({
      record: { kind: 'operator-action', gtrid: GTRID, action, ...bqual, ...by },
      told: isRollback
        ? { kind: 'operator-rollback', reason: REASON }
        : { kind: 'operator-vouched', bqual: resolution.bqual, end, proof: 'an operator vouched for it' },
    });
  }

  /** A call reaches a participant; its answer sets out. */
  carryOut(call: Call, instance: string): void {
    const { bqual } = call;
    if (call.kind === 'prepare') {
      this.inbox.push({ kind: 'vote', bqual, instance, vote: this.participants.prepare(bqual, instance) });
      return;
    }
    this.judges.checkRollback(call, this.decided, () => {
      this.inbox.push(this.participants.finish(bqual, instance, call.verb, call.evidence, call.instance));
    });
  }

  /** The driver gives up waiting for the answer to a call, whichever way that was lost. */
  giveUp(bqual: Bqual, verb: Verb): void {
    this.inbox.push({
      kind: 'branch-result',
      bqual,
      verb,
      evidence: NO_EVIDENCE,
      result: { kind: 'unknown', reason: REASON },
    });
  }

  reconcile(life: Life): void {
    const { bqual, evidence } = life;
    this.inbox.push({ kind: 'branch-found', bqual, instance: `${bqual}-sidecar`, evidence });
  }

  #enter(state: State, effects: readonly Effect[]): void {
    this.state = state;
    for (const effect of effects) {
      this.judges.checkEffect(effect, state, this.durable);
      switch (effect.kind) {
        case 'prepare':
        case 'finish':
          this.calls.push(effect);
          break;
        case 'retry':
          this.retries.add(effect.bqual);
          break;
        case 'decide':
          this.writing.push({ record: effect.record, told: { kind: 'decision-durable' } });
          break;
        case 'record-damage':
          this.writing.push({ record: effect.record, told: { kind: 'damage-durable', bqual: effect.bqual } });
          break;
        case 'finished':
          this.#lazy.push(effect.record);
          break;
        default:
          break;
      }
    }
  }

  /** What the coordinator does with messages of a transaction that it does not hold: as its log says, else presumed abort. */
  #unknown(event: Event): void {
    if (event.kind !== 'branch-opened' && event.kind !== 'branch-found' && event.kind !== 'vote') {
      return;
    }
    if (event.kind === 'vote' && event.vote.kind !== 'prepared') {
      return;
    }
    const { decided } = this;
    if (decided !== undefined) {
      this.state = decidedLongAgo(decided);
      this.apply(event);
      return;
    }
    const { bqual, instance } = event;
    if (event.kind === 'branch-opened') {
      // Not prepared, so nothing is proven about how the transaction ended: the branch goes, and nobody is told an outcome.
      this.calls.push({ kind: 'finish', verb: 'rollback', bqual, instance, evidence: NO_EVIDENCE });
      return;
    }
    const evidence = event.kind === 'branch-found' ? event.evidence : evidenceOf(event.vote);
    const { state, effects } = orphan(GTRID, { bqual, instance, evidence }, 'branch');
    this.#enter(state, effects);
  }
}

function evidenceOf(vote: Vote): Evidence {
  return vote.kind === 'prepared' ? vote.evidence : NO_EVIDENCE;
}
