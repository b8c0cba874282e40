// The application's connections within one transaction: lent when they are enlisted, waited for when the transaction ends.

import { within } from '../../lib/wait.ts';
import type { LentConnection, NamedBranch } from '../../participants/embedded/participants.ts';
import type { EndedOutside } from '../../participants/lent/application-branch.ts';
import { RELEASE_WAIT_MS } from '../../xa/times.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import type { Gtrid, Xid } from '../../xa/xid.ts';
import { parseBqual } from '../../xa/xid.ts';
import { type BranchIdentity, inTransaction } from '../public/errors.ts';
import { type BranchStart, checkBranchStart } from '../public/options.ts';
import type { EnlistOptions } from '../public/transaction.ts';
import type { PooledConnection } from '../scope/ambient.ts';
import type { Level } from '../scope/level.ts';
import { refuseOver } from '../scope/nested.ts';
import { enlistedFailure, enlistingFailure } from '../session/failures.ts';
import type { ClientParts } from './branches.ts';
import type { ResourceUses } from './resource-uses.ts';
import type { Work, WorkBranch } from './work.ts';

interface BranchName {
  readonly resource: string;
  readonly bqual: string;
}

/** Names the branch that a participant of this process will hold. */
type NameBranch = (instance: string) => string | Promise<string>;

interface EnlistHow {
  readonly options: EnlistOptions;
  readonly start: BranchStart;
  readonly name: NameBranch;
  /** Whoever joined never asks for the end: `prepare` is his last word on the connection. */
  readonly endsWithPrepare: boolean;
}

type OutsideBranch = EndedOutside & BranchName;

export class EnlistedConnections {
  readonly #parts: ClientParts;
  readonly #gtrid: Gtrid;
  readonly #work: Work;
  readonly #uses: ResourceUses;
  readonly #lent: (LentConnection & BranchName)[] = [];
  #isAtWork = true;

  constructor(parts: ClientParts, gtrid: Gtrid, work: Work, uses: ResourceUses) {
    this.#uses = uses;
    this.#parts = parts;
    this.#gtrid = gtrid;
    this.#work = work;
  }

  /**
   * As `TransactionWork.enlist` says.
   * @param start what the transaction says of its branches; `options` may say otherwise.
   */
  async enlist(
    resource: string,
    connection: object,
    { options, start, name, endsWithPrepare }: EnlistHow,
  ): Promise<PooledConnection> {
    if (typeof resource !== 'string') {
      throw new TypeError('enlist() wants the name of a resource first, and then a connection');
    }
    checkEnlisting(connection, options);
    const { url, isolation = start.isolation ?? 'default', readOnly = start.readOnly ?? false } = options;
    const { embedding, ambient } = this.#parts;
    const work = this.#work;
    const level = ambient.levelIn(work);
    refuseOver(work, level, work);
    this.#uses.enlist(resource);
    // Counted like a statement, so that a commit cannot overtake it.
    work.asked();
    try {
      await level.turn();
      refuseOver(work, level, work);
      const participants = await embedding.participants();
      let bqual = '';
      const named = async (instance: string): Promise<NamedBranch> => {
        bqual = await name(instance);
        return { xid: this.#xid(bqual), timeoutMs: work.remainingMs };
      };
      const lent = await participants.enlist(resource, {
        ...{ name: named, connection, url, isolation, readOnly, signal: work.signal },
      });
      this.#lent.push({ ...lent, resource, bqual });
      if (!this.#isAtWork) {
        lent.branch.endWork(); // The end was asked for while this was on its way.
      }
      const branch = branchOf(resource, { bqual, instance: lent.instance }, lent);
      work.add(branch);
      for (const scope of level.path) {
        await branch.openScope(scope);
      }
      const prepare = async (): Promise<void> => {
        if (endsWithPrepare) {
          lent.branch.endWork();
        }
        await lent.adopted.prepare();
      };
      return {
        resource,
        prepare,
        released: lent.branch.released,
        get ownDepth() {
          return lent.branch.ownDepth;
        },
      };
    } catch (error) {
      if (!this.#lent.some((lent) => lent.resource === resource)) {
        this.#uses.notEnlisted(resource);
      }
      const isTheirs = error instanceof TypeError || error === work.signal?.reason;
      throw isTheirs ? error : inTransaction(this.#gtrid, enlistingFailure(resource, error));
    } finally {
      work.answered();
    }
  }

  /** Why the error that the application ran into will not come again; undefined: it may, or is none of an enlisted connection. */
  retryable(error: unknown): Reason | undefined {
    const reasons = errorsIn(error).flatMap((one) => this.#lent.flatMap(({ branch }) => branch.reasonOf(one) ?? []));
    return reasons.find((reason) => reason.retryable);
  }

  /** The application asks for the end: it sends nothing more on its connections. */
  endWork(): void {
    this.#isAtWork = false;
    for (const { branch } of this.#lent) {
      branch.endWork();
    }
  }

  /**
   * Rolls back what nobody has asked to prepare: without a commit request nothing else can become of it, and the connections need
   * not wait for the coordinator's word. Never rejects.
   */
  async rollBack(): Promise<void> {
    await Promise.all(this.#lent.map(({ branch }) => (branch.isActive ? branch.rollback() : undefined)));
  }

  /** Branches that something else than the transaction ended, as their engines prove it or cannot say. Never rejects. */
  async endedOutside(): Promise<readonly OutsideBranch[]> {
    const ends = await Promise.all(
      this.#lent.map(async ({ branch, resource, bqual }) => {
        const outside = await branch.endedOutside();
        return outside === undefined ? [] : [{ ...outside, resource, bqual }];
      }),
    );
    return ends.flat();
  }

  /** Resolves when every connection is the application's again, or has been waited for long enough. Never rejects. */
  async released(): Promise<void> {
    if (this.#lent.length === 0) {
      return;
    }
    for (const { branch } of this.#lent) {
      branch.letGo();
    }
    const { clock, logger } = this.#parts.session.settings;
    const all = Promise.all(this.#lent.map(({ branch }) => branch.released));
    await within(all, { clock, timeoutMs: RELEASE_WAIT_MS }, () => undefined).catch(() => {
      logger?.warn({ evt: 'connection_not_released', txn: this.#gtrid }, 'an enlisted connection is still bound');
    });
  }

  #xid(bqual: string): Xid {
    const parsed = parseBqual(bqual);
    if (parsed === undefined) {
      throw new TypeError(`not the name of a resource: ${bqual}`);
    }
    return { gtrid: this.#gtrid, bqual: parsed };
  }
}

/** Where ORMs put the error of the driver. */
const INNER = ['cause', 'original', 'parent', 'driverError', 'originalError', 'error'] as const;
const INNER_DEPTH = 5;

/** The error and those that it wraps. */
function errorsIn(error: unknown): readonly object[] {
  const found = new Set<object>();
  let level: unknown[] = [error];
  for (let depth = 0; depth < INNER_DEPTH && level.length > 0; depth++) {
    const objects = level.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null);
    for (const one of objects) {
      found.add(one);
    }
    level = objects.flatMap((one) => INNER.map((name) => one[name]));
  }
  return [...found];
}

/** @throws {TypeError} {RangeError} in one sentence, what is wrong and what is wanted. */
function checkEnlisting(connection: unknown, options: EnlistOptions): void {
  if (typeof connection !== 'object' || connection === null) {
    const what = connection === null ? 'null' : typeof connection === 'function' ? 'a function' : String(connection);
    throw new TypeError(`enlist() wants a connected client of pg, or a connection of mysql2, not ${what}`);
  }
  if ('then' in connection) {
    throw new TypeError('enlist() wants a connection, and this is a promise of one: await it first');
  }
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of enlist() must be an object, not ${String(options)}`);
  }
  if (options.url !== undefined && typeof options.url !== 'string') {
    throw new TypeError('the option url of enlist() must be a text');
  }
  if (options.readOnly !== undefined && typeof options.readOnly !== 'boolean') {
    throw new TypeError(`the option readOnly of enlist() must be true or false, not ${String(options.readOnly)}`);
  }
  checkBranchStart(options);
}

/** Its statements are the application's own: there is nothing here to stop. */
function branchOf(
  resource: string,
  identity: BranchIdentity,
  { adopted, branch }: LentConnection,
): WorkBranch & Pick<Required<WorkBranch>, 'openScope'> {
  const scopes = new Set<Level>();
  return {
    resource,
    identity,
    openScope: (level) => {
      scopes.add(level);
      return branch.savepoint([`SAVEPOINT ${level.savepoint}`]);
    },
    problemIn: (level) => {
      const reason = scopes.has(level) ? branch.failure : undefined;
      return reason && enlistedFailure(resource, reason);
    },
    closeScope: (level, how) => {
      const back = how === 'undo' ? [`ROLLBACK TO SAVEPOINT ${level.savepoint}`] : [];
      return scopes.delete(level) ? branch.savepoint([...back, `RELEASE SAVEPOINT ${level.savepoint}`]) : undefined;
    },
    askForVote: () => {
      void adopted.prepare();
      return true;
    },
    stop: () => undefined,
  };
}
