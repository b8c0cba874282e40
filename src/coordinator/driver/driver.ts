// The driver: takes events to the engine and carries out what it asks for. Everything that happens to a transaction, from a
// client, a participant, a timer, the log or recovery, goes through `apply`.
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Random } from '../../lib/random.ts';
import type { Log } from '../../log/log.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Gtrid } from '../../xa/xid.ts';
import type { Calls } from '../calls/calls.ts';
import type { Directory } from '../calls/directory.ts';
import type { EvidenceRows } from '../calls/evidence-rows.ts';
import type { UnreachedBranches } from '../calls/unreached.ts';
import { loneRows } from '../engine/completed.ts';
import type { Effect, Event } from '../engine/event.ts';
import { isHeuristic, outcomeOf, type State } from '../engine/state.ts';
import { step } from '../engine/step.ts';
import { unknownOutcomeError } from './answers.ts';
import { Effects } from './effects.ts';
import { originOf } from './origin.ts';
import type { Registry } from './registry.ts';
import { type AdmitOptions, HeldTransaction, type Waiter } from './transaction.ts';
import { Unfinished } from './unfinished.ts';
import { Waiting } from './waiting.ts';

interface DriverParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly directory: Directory;
  readonly logger: EventLogger;
  readonly transactions: Registry;
  readonly calls: Calls;
  readonly evidence: EvidenceRows;
  readonly unreached: UnreachedBranches;
}

type Refusal = Extract<Effect, { kind: 'refuse-enlist' | 'refuse-end' }>;

export class Driver {
  /** Resolves when the log is unusable: the process must stop, and a restart reads the truth. */
  readonly failed: Promise<Error>;
  readonly #failed = Promise.withResolvers<Error>();
  readonly #calls: Calls;
  readonly #evidence: EvidenceRows;
  readonly #unreached: UnreachedBranches;
  readonly #transactions: Registry;
  readonly #clock: Clock;
  readonly #effects: Effects;
  readonly #waiting: Waiting;
  readonly #unfinished: Unfinished;
  readonly #logger: EventLogger;
  readonly #queue: { readonly transaction: HeldTransaction; readonly event: Event }[] = [];
  #draining = false;
  #closed = false;
  #failure: CoordinatorError | undefined;

  constructor(parts: DriverParts) {
    this.failed = this.#failed.promise;
    const { log, clock, random, directory, logger, transactions, calls, evidence, unreached } = parts;
    this.#clock = clock;
    this.#logger = logger;
    this.#transactions = transactions;
    this.#calls = calls;
    this.#evidence = evidence;
    this.#unreached = unreached;
    const apply = (transaction: HeldTransaction, event: Event): void => this.apply(transaction, event);
    const fail = (error: unknown): void => this.#fail(error);
    const unfinished = new Unfinished({ transactions, directory, clock, logger });
    const waiting = new Waiting({ clock, random, unfinished, apply });
    this.#unfinished = unfinished;
    this.#waiting = waiting;
    this.#effects = new Effects({ log, clock, logger, calls, evidence, waiting, unfinished, apply, fail });
    void log.failed.then(fail);
  }

  /** @throws {CoordinatorError} `LOG_FAILED`, `EPOCH_STALE` once the log is unusable: nothing may be promised any more. */
  ensureUsable(): void {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  /** Takes in a transaction: begun, found in the log, or found prepared. */
  admit(gtrid: Gtrid, state: State, options: AdmitOptions): HeldTransaction {
    const now = this.#clock.now();
    const deadlineAt = options.timeoutMs === undefined ? Number.POSITIVE_INFINITY : now + options.timeoutMs;
    const { ageMs, ...origin } = originOf(options, this.#clock.wallTime());
    const transaction = new HeldTransaction(gtrid, state, options.owner, now - ageMs, deadlineAt);
    transaction.since = now;
    transaction.origin = origin;
    transaction.holder = options.holder ?? options.owner;
    transaction.operatorAction = options.operatorAction ?? false;
    this.#transactions.add(transaction);
    if (options.timeoutMs !== undefined) {
      this.#waiting.deadline(transaction, options.timeoutMs);
    }
    this.#perform(transaction, options.effects ?? []);
    this.#drain();
    if (state.kind === 'committing' || state.kind === 'rolling-back') {
      this.#unfinished.watch();
    }
    return transaction;
  }

  /** A later `Begin` tells the time limit of a transaction that a participant's report had admitted. */
  setTimeLimit(transaction: HeldTransaction, timeoutMs: number): void {
    if (transaction.state.kind === 'active') {
      transaction.deadlineAt = transaction.openedAt + timeoutMs;
      this.#waiting.deadline(transaction, transaction.deadlineAt - this.#clock.now());
    }
  }

  /** Takes an event to its transaction. @returns whether it is held. */
  heard(gtrid: Gtrid, event: Event): boolean {
    const transaction = this.#transactions.find(gtrid);
    if (transaction !== undefined) {
      this.apply(transaction, event);
    }
    return transaction !== undefined;
  }

  apply(transaction: HeldTransaction, event: Event): void {
    if (this.#closed) {
      return; // A record may still become durable: the next start reads it.
    }
    this.#queue.push({ transaction, event });
    this.#drain();
  }

  /** An operator's action, which is in the log already. */
  act(transaction: HeldTransaction, event: Extract<Event, { kind: 'operator-rollback' | 'operator-vouched' }>): void {
    transaction.operatorAction = true;
    this.apply(transaction, event);
  }

  /**
   * Who asks for an end: `waiter` is answered as soon as the state allows. The request's own event is applied by the caller.
   * @throws {CoordinatorError} `OUTCOME_UNKNOWN` when the log has failed before.
   */
  wait(transaction: HeldTransaction, waiter: Waiter): void {
    transaction.endRequested = true;
    if (this.#failure !== undefined && outcomeOf(transaction.state) === undefined) {
      throw unknownOutcomeError(transaction.gtrid, 'the log failed; a restart reads the truth');
    }
    this.#waiting.add(transaction, waiter);
  }

  /** No answer any more: the request was refused. */
  leave(transaction: HeldTransaction, waiter: Waiter): void {
    transaction.waiters = transaction.waiters.filter((other) => other !== waiter);
  }

  /** Applies the event and gives back what the engine refuses at once. */
  request(transaction: HeldTransaction, event: Event): Refusal | undefined {
    if (this.#closed) {
      return undefined; // As with `apply`.
    }
    const { state, effects } = step(transaction.state, event);
    this.#enter(transaction, state, effects);
    this.#drain();
    return effects.find((effect) => effect.kind === 'refuse-enlist' || effect.kind === 'refuse-end');
  }

  /** The next call of every branch that waits for a retry is made now. @returns how many. */
  retryNow(transaction: HeldTransaction): number {
    const due = [...transaction.retries.keys()];
    for (const bqual of due) {
      this.#waiting.retryNow(transaction, bqual);
    }
    return due.length;
  }

  /** Nothing moves from now on. Whoever waits has lost its connection, or is about to. */
  close(): void {
    this.#closed = true;
    for (const transaction of this.#transactions.all()) {
      transaction.quiet();
    }
    this.#calls.close();
    this.#evidence.close();
    this.#unfinished.close();
  }

  /** One event at a time, in order: an effect that answers at once queues its event behind the step that asked for it. */
  #drain(): void {
    if (this.#draining) {
      return;
    }
    this.#draining = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const { state, effects } = step(next.transaction.state, next.event);
        this.#enter(next.transaction, state, effects);
      }
    } finally {
      this.#draining = false;
    }
  }

  #enter(transaction: HeldTransaction, state: State, effects: readonly Effect[]): void {
    const before = transaction.state;
    if (state !== before) {
      transaction.state = state;
      transaction.version += 1;
      this.#transactions.moved(transaction, before);
      if (state.kind !== before.kind) {
        this.#changedKind(transaction, before);
      }
    }
    this.#perform(transaction, effects);
  }

  #changedKind(transaction: HeldTransaction, before: State): void {
    transaction.since = this.#clock.now();
    this.#waiting.bound(transaction);
    if (before.kind === 'preparing') {
      for (const { bqual } of before.branches) {
        this.#calls.dropPrepare(transaction.gtrid, bqual);
      }
    }
    if (before.kind === 'one-phase') {
      this.#calls.drop(transaction.gtrid, before.branch.bqual, 'commit-one-phase');
    }
    for (const row of loneRows(before, transaction.state)) {
      this.#evidence.seen(row);
    }
    this.#tellOwner(transaction);
    if (transaction.state.kind === 'completed') {
      transaction.quiet();
      if (transaction.state.decision === 'rollback') {
        this.#unreached.note(transaction.state);
      }
      transaction.owner = undefined; // Kept for its late messages; with its session it would be too much.
      if (isHeuristic(transaction.state)) {
        const { outcome } = transaction.state;
        this.#logger.error({ evt: 'heuristic-outcome', txn: transaction.gtrid, outcome });
      }
    }
  }

  #tellOwner(transaction: HeldTransaction): void {
    if (!transaction.endRequested && outcomeOf(transaction.state) === 'rolled-back') {
      transaction.endRequested = true;
      transaction.owner?.ended(transaction);
    }
  }

  #perform(transaction: HeldTransaction, effects: readonly Effect[]): void {
    for (const effect of effects) {
      this.#effects.perform(transaction, effect);
    }
  }

  /**
   * The log is not the one that the databases have served: nothing may be concluded from it, and nothing moves any more. Whoever waits
   * hears "unknown".
   */
  refuse(error: CoordinatorError): void {
    if (this.#failure === undefined) {
      this.#failure = error;
      this.#giveUp();
      this.close();
    }
  }

  /** The log may or may not hold what was being written: whoever waits hears "unknown" and the process stops (D2, D5). */
  #fail(error: unknown): void {
    if (this.#failure?.code === 'LOG_FAILED') {
      return;
    }
    this.#failure =
      error instanceof CoordinatorError && error.code === 'LOG_FAILED'
        ? error
        : new CoordinatorError('LOG_FAILED', 'the log could not be written', { cause: error });
    this.#logger.fatal({ evt: 'log-failed', message: this.#failure.message });
    this.#giveUp();
    this.#failed.resolve(this.#failure);
  }

  #giveUp(): void {
    for (const transaction of this.#transactions.all()) {
      transaction.quiet();
      this.#waiting.answer(transaction, 'applied');
    }
  }
}
