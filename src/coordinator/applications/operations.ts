// What applications may do, once: the unary calls and the session stream both come here with decoded requests.
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../log/log.ts';
import { toCoordinatorError } from '../../wire/status.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Acknowledgement } from '../../xa/vocabulary.ts';
import { type Bqual, formatBqual, type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import { decidedError, differError, notFoundError, rolledBackError, unknownOutcomeError } from '../driver/answers.ts';
import type { Driver } from '../driver/driver.ts';
import type { Leases } from '../driver/leases.ts';
import { lookUp } from '../driver/lookup.ts';
import type { Registry } from '../driver/registry.ts';
import type { HeldTransaction, Holder, Owner } from '../driver/transaction.ts';
import { invalid } from '../edge/requests.ts';
import type { ClaimedBranch, Event } from '../engine/event.ts';
import type { Found } from '../engine/question.ts';
import { openTransaction, outcomeOf, presumedIn, whyEnded } from '../engine/state.ts';
import { Admission } from './admission.ts';
import { type AskedEnd, type End, endOf, endOfFound, otherThanFound, otherThanHeld } from './ends.ts';

interface AskedBranch {
  readonly resource: ResourceName;
  /** Undefined: the first of the resource, or a further one. */
  readonly bqual: Bqual | undefined;
  readonly isNew: boolean;
  /** The participant that will hold it; undefined: a sidecar. */
  readonly instance: string | undefined;
}

interface Enlisted {
  readonly bqual: Bqual;
  readonly address: string;
  readonly instance: string;
  readonly timeoutMs: number;
}

interface OperationsParts {
  readonly driver: Driver;
  readonly transactions: Registry;
  readonly directory: Directory;
  readonly leases: Leases;
  readonly log: Log;
  readonly clock: Clock;
  readonly openTransactionsMax: number;
}

export class Operations {
  readonly #parts: OperationsParts;
  readonly #admission: Admission;

  constructor(parts: OperationsParts) {
    this.#parts = parts;
    this.#admission = new Admission(parts);
  }

  /** No new transactions from now on; the open ones go on. */
  drain(): void {
    this.#admission.drain();
  }

  mayBegin(holder: Holder): boolean {
    return this.#admission.isOpenTo(holder);
  }

  /** @throws {CoordinatorError} DRAINING, LIMIT_TRANSACTIONS, LIMIT_DISK, LOG_FAILED, TXN_STATE, TXN_ROLLED_BACK; nothing was begun. */
  begin(timeoutMs: number, holder: Holder, leased?: Gtrid): Gtrid {
    const { driver, leases } = this.#parts;
    if (typeof holder !== 'string') {
      return this.#beginLeased(timeoutMs, holder, leased);
    }
    if (leased !== undefined) {
      throw invalid('gtrid', "must be of the session's own lease, or empty in a unary call");
    }
    this.#admission.check(holder);
    const gtrid = leases.next();
    driver.admit(gtrid, openTransaction(gtrid), { holder, timeoutMs });
    return gtrid;
  }

  #beginLeased(timeoutMs: number, owner: Owner, gtrid: Gtrid | undefined): Gtrid {
    const { driver, transactions, leases } = this.#parts;
    if (gtrid === undefined) {
      throw invalid('gtrid', "must be of the session's own lease: a session's Begin is not answered");
    }
    if (leases.ownerOf(gtrid) !== owner) {
      throw invalid('gtrid', "must be of the session's own lease, or empty in a unary call");
    }
    const known = transactions.find(gtrid);
    if (known !== undefined && presumedIn(known.state) === undefined) {
      // A participant's report overtook this Begin on its own stream: the place is taken, whether there is another one or not.
      driver.setTimeLimit(known, timeoutMs);
      return gtrid;
    }
    if (leases.wasBegun(gtrid)) {
      throw new CoordinatorError('TXN_STATE', `${gtrid} was begun before, and is over`, { metadata: { gtrid } });
    }
    try {
      this.#admission.check(owner);
      if (known !== undefined) {
        // The report that overtook it found no place, so that its branch is being rolled back.
        throw rolledBackError(gtrid, whyEnded(known.state));
      }
    } catch (error) {
      leases.refuse(gtrid);
      throw error;
    }
    leases.begin(gtrid);
    driver.admit(gtrid, openTransaction(gtrid), { owner, timeoutMs });
    return gtrid;
  }

  /** @throws {CoordinatorError} TXN_NOT_FOUND, TXN_STATE, RESOURCE_UNKNOWN, RESOURCE_UNAVAILABLE, BRANCH_EXISTS, LIMIT_BRANCHES. */
  enlist(gtrid: Gtrid, { resource, bqual: asked, isNew, instance }: AskedBranch): Enlisted {
    const { driver, transactions, directory, clock } = this.#parts;
    const transaction = transactions.find(gtrid);
    if (transaction === undefined) {
      throw notFoundError(gtrid);
    }
    if (asked !== undefined && resourceOf(asked) !== resource) {
      throw new CoordinatorError(
        'BRANCH_EXISTS',
        `branch ${asked} belongs to resource ${resourceOf(asked)}, not to ${resource}`,
      );
    }
    this.#checkRegistered(resource);
    const bqual = asked ?? (isNew ? nextBranch(transaction, resource) : formatBqual(resource));
    const holder = instance ?? holderOf(transaction, bqual);
    const named = holder === undefined ? undefined : directory.linkOf(resource, holder);
    // Whoever names a participant holds the branch there, and no other can take it.
    const link = named ?? (instance === undefined ? directory.sidecarOf(resource) : undefined);
    if (link === undefined) {
      throw new CoordinatorError(
        'RESOURCE_UNAVAILABLE',
        `the participant of ${resource} is not attached at the moment`,
      );
    }
    const refused = driver.request(transaction, { kind: 'enlist-requested', bqual, instance: link.instance });
    if (refused?.kind === 'refuse-enlist') {
      throw new CoordinatorError(refused.code, `${gtrid} takes no branch ${bqual}: it is ${transaction.state.kind}`, {
        metadata: { gtrid, state: transaction.state.kind },
      });
    }
    const timeoutMs = Math.max(1, Math.ceil(transaction.deadlineAt - clock.now()));
    return { bqual, address: link.address, instance: link.instance, timeoutMs };
  }

  /** @throws {CoordinatorError} RESOURCE_UNKNOWN: a claimed branch cannot exist, so that nothing was asked for. Other ends go to `done`. */
  commit(
    gtrid: Gtrid,
    claimed: readonly ClaimedBranch[],
    requestId: string,
    level: Acknowledgement,
    done: (end: End) => void,
  ): void {
    if (this.#parts.transactions.find(gtrid)?.state.kind === 'active') {
      for (const { bqual } of claimed) {
        this.#checkRegistered(resourceOf(bqual));
      }
    }
    this.#end(gtrid, level, done, { claimed, wanted: 'committed' }, { kind: 'commit-requested', claimed, requestId });
  }

  rollback(gtrid: Gtrid, claimed: readonly ClaimedBranch[], message: string, done: (end: End) => void): void {
    const reason = { code: 'TXN_ROLLED_BACK', message: message || 'its client asked for it', retryable: false };
    const event = { kind: 'rollback-requested', claimed, reason } as const;
    this.#end(gtrid, 'applied', done, { claimed, wanted: 'rolled-back' }, event);
  }

  /** @throws {CoordinatorError} TXN_NOT_FOUND, TXN_DECIDED: the mark would contradict a decision. */
  setRollbackOnly(gtrid: Gtrid, message: string): void {
    const transaction = this.#parts.transactions.find(gtrid);
    if (transaction === undefined) {
      throw notFoundError(gtrid);
    }
    const outcome = outcomeOf(transaction.state);
    if (transaction.state.kind === 'deciding' || transaction.state.kind === 'one-phase') {
      throw new CoordinatorError('TXN_STATE', `${gtrid} is being committed: the mark comes too late`);
    }
    if (outcome !== undefined && outcome !== 'rolled-back') {
      throw decidedError(gtrid, outcome);
    }
    const reason = { code: 'ROLLBACK_ONLY', message: message || 'it was marked rollback-only', retryable: false };
    this.#parts.driver.apply(transaction, { kind: 'rollback-only-requested', reason });
  }

  /**
   * The transaction if it is held in memory, else what can be told of it.
   * @throws {CoordinatorError} BRANCHES_DIFFER: it is committed, and not with every branch that the asker names.
   */
  async find(gtrid: Gtrid, claimed: readonly ClaimedBranch[], asker?: Owner): Promise<HeldTransaction | Found> {
    const held = this.#parts.transactions.findKnown(gtrid);
    if (held !== undefined) {
      throwIf(otherThanHeld(held, claimed));
      return held;
    }
    const found = await this.#lookUp(gtrid, claimed);
    throwIf(otherThanFound(gtrid, found, claimed));
    // Whoever asks elsewhere than on the session that may begin it has perhaps lost that, and its end was not noticed yet.
    const { leases } = this.#parts;
    return found.kind === 'not-found' && leases.mayBeginYet(gtrid) && leases.ownerOf(gtrid) !== asker
      ? { kind: 'unknown', why: 'its session may still begin it' }
      : found;
  }

  /** @throws {CoordinatorError} LOG_FAILED, EPOCH_STALE: the log's silence proves nothing. */
  async #lookUp(gtrid: Gtrid, claimed: readonly ClaimedBranch[]): Promise<Found> {
    this.#parts.driver.ensureUsable();
    return await lookUp(this.#parts, gtrid, claimed);
  }

  #end(gtrid: Gtrid, level: Acknowledgement, done: (end: End) => void, asked: AskedEnd, event: Event): void {
    const { driver, transactions } = this.#parts;
    const transaction = transactions.findKnown(gtrid);
    if (transaction === undefined) {
      this.#lookUp(gtrid, asked.claimed).then(
        (found) => done(endOfFound(gtrid, found, asked)),
        (error: unknown) =>
          done({ kind: 'failed', error: unknownOutcomeError(gtrid, toCoordinatorError(error).message) }),
      );
      return;
    }
    try {
      driver.ensureUsable();
    } catch (error) {
      const known = toCoordinatorError(error);
      if (known.code !== 'EPOCH_STALE') {
        throw error;
      }
      // It may have been decided before this log was refused.
      done({ kind: 'failed', error: unknownOutcomeError(gtrid, known.message) });
      return;
    }
    const waiter = { level, settle: () => done(endOf(transaction, asked)) };
    driver.wait(transaction, waiter);
    const refused = driver.request(transaction, event);
    if (refused?.kind === 'refuse-end') {
      driver.leave(transaction, waiter);
      done({ kind: 'failed', error: differError(gtrid, refused.reason) });
    }
  }

  #checkRegistered(resource: ResourceName): void {
    const { directory } = this.#parts;
    if (!directory.isRegistered(resource)) {
      const names = directory.all().map(({ name }) => name);
      throw new CoordinatorError(
        'RESOURCE_UNKNOWN',
        `no participant has registered resource ${resource}; known: ${names.join(', ') || 'none'}`,
        { metadata: { known: names.join(',') } },
      );
    }
  }
}

function throwIf(error: CoordinatorError | undefined): void {
  if (error !== undefined) {
    throw error;
  }
}

/** Undefined: nobody holds it, as far as is known. */
function holderOf({ state }: HeldTransaction, bqual: Bqual): string | undefined {
  return state.kind === 'active' ? state.branches.find((branch) => branch.bqual === bqual)?.instance : undefined;
}

/** The first free qualifier `<resource>.<n>`: joined services get branches of their own at a resource that has some already. */
function nextBranch(transaction: HeldTransaction, resource: ResourceName): Bqual {
  const taken = new Set(
    transaction.state.kind === 'active' ? transaction.state.branches.map(({ bqual }) => bqual) : [],
  );
  let n = 1;
  while (taken.has(formatBqual(resource, n))) {
    n += 1;
  }
  return formatBqual(resource, n);
}
