// A global transaction that another service began and passed on: this one does work in it, and never ends it.

import type { EnlistResponse__Output as EnlistResponse } from '../../gen/concordat/v1/EnlistResponse.ts';
import { within } from '../../lib/wait.ts';
import { OVERDUE_GRACE_MS } from '../../xa/times.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { formatContext } from '../public/context.ts';
import { ConcordatError } from '../public/errors.ts';
import type { JoinOptions } from '../public/options.ts';
import type { Resource } from '../public/resource.ts';
import type { NamedLock, OnceOptions, OnceResult, OnceValue } from '../public/tables.ts';
import type { EnlistOptions, TransactionStatus, TransactionWork } from '../public/transaction.ts';
import type { PooledConnection, ScopedTransaction } from '../scope/ambient.ts';
import type { Level } from '../scope/level.ts';
import { runNested } from '../scope/nested.ts';
import type { RollbackOn } from '../scope/rollback-on.ts';
import { toClientError } from '../session/failures.ts';
import { type ApplicationTables, applicationTables } from '../tables/application-tables.ts';
import type { Placement } from './branch.ts';
import { type ClientParts, type TransactionParts, WorkBranches } from './branches.ts';
import { rolledBackBecause } from './ended-errors.ts';
import { EnlistedConnections } from './enlisted.ts';
import { printableReason } from './printable.ts';
import { ResourceUses } from './resource-uses.ts';
import { Work } from './work.ts';

/** Made by `Concordat.join`. Its branches are its own; the service that began the transaction commits them with the rest. */
export class JoinedTransaction implements TransactionWork, ScopedTransaction {
  readonly gtrid: Gtrid;
  readonly startOptions: JoinOptions;
  /** The service that began it knows. */
  readonly timeoutMs = undefined;
  /** That service ends it, and tells nobody. */
  readonly hasEnded = false;
  readonly #parts: TransactionParts;
  readonly #work: Work;
  readonly #branches: WorkBranches;
  readonly #uses: ResourceUses;
  readonly #tables: ApplicationTables;
  readonly #enlisted: EnlistedConnections;
  #asked = 0;
  #nestedScopes = 0;

  constructor(parts: TransactionParts, gtrid: Gtrid, options: JoinOptions) {
    this.gtrid = gtrid;
    this.startOptions = options;
    this.#parts = parts;
    // The beginner may never hear of a statement that failed here, and must not commit without it.
    const onFailure = (error: unknown): void => this.#forbidCommit(error);
    this.#work = new Work(gtrid, parts.session.settings.clock, { signal: options.signal, onFailure });
    this.#uses = new ResourceUses(this.#work);
    this.#branches = new WorkBranches(parts, this.#work, options, (name) => this.#place(name));
    this.#enlisted = new EnlistedConnections(parts, gtrid, this.#work, this.#uses);
    this.#tables = applicationTables(
      {
        gtrid,
        branch: (name) => this.#branches.get(name),
        setRollbackOnly: (reason) => this.setRollbackOnly(reason),
      },
      parts,
      this.#work,
    );
  }

  get context(): string {
    this.#parts.ambient.levelIn(this).passOn();
    return formatContext(this.gtrid);
  }

  /** It is a transaction of that client. */
  isOf({ ambient }: Pick<ClientParts, 'ambient'>): boolean {
    return ambient === this.#parts.ambient;
  }

  get root(): Level {
    return this.#work.root;
  }

  get status(): TransactionStatus {
    return this.#work.failure === undefined ? 'active' : 'rollback-only';
  }

  nested<T>(work: () => Promise<T> | T, rollbackOn?: RollbackOn): Promise<T> {
    const parts = { ambient: this.#parts.ambient, tx: this, work: this.#work, number: ++this.#nestedScopes };
    return runNested(parts, work, rollbackOn);
  }

  scopeFailed(cause: unknown): void {
    const retryable = cause instanceof ConcordatError && cause.retryable;
    this.#work.fail(rolledBackBecause(this.gtrid, 'a scope that joined it', { cause, retryable }));
  }

  beforeCommit(): never {
    throw notHeardHere('beforeCommit');
  }

  afterCompletion(): never {
    throw notHeardHere('afterCompletion');
  }

  resource(name: string): Resource {
    return this.#uses.guard(this.#branches.get(name));
  }

  async enlist(resource: string, connection: object, options: EnlistOptions = {}): Promise<PooledConnection> {
    const { failure } = this.#work;
    if (failure !== undefined) {
      throw failure.error;
    }
    let isNamed = false;
    const name = async (instance: string): Promise<string> => {
      const { bqual } = await this.#askForBranch(resource, instance);
      isNamed = true;
      return bqual;
    };
    try {
      const how = { options, start: this.startOptions, name, endsWithPrepare: true };
      return await this.#enlisted.enlist(resource, connection, how);
    } catch (error) {
      if (isNamed) {
        this.#work.fail(error); // The coordinator counts on a branch that nobody has.
      }
      throw error;
    }
  }

  once<T extends OnceValue>(
    resource: string,
    key: string,
    work: () => Promise<T> | T,
    options?: OnceOptions,
  ): Promise<OnceResult<T>> {
    return this.#tables.keys.once(resource, key, work, options);
  }

  lock(resource: string, name: string): Promise<NamedLock> {
    return this.#tables.locks.lock(resource, name);
  }

  async setRollbackOnly(reason: string): Promise<void> {
    this.#work.finish(
      () =>
        new ConcordatError(`The transaction was marked rollback-only: ${reason}`, {
          code: 'ROLLBACK_ONLY',
          retryable: false,
        }),
    );
    await this.#mark(reason);
  }

  async #mark(reason: string): Promise<void> {
    const { session } = this.#parts;
    try {
      const timeoutMs = session.settings.connectTimeoutMs;
      const { link } = await session.until(() => session.connection, { timeoutMs });
      const setRollbackOnly = {
        requestId: `${this.gtrid}/rollback-only`,
        gtrid: this.gtrid,
        reason: printableReason(reason),
      };
      await link.request({ setRollbackOnly });
    } catch (error) {
      throw toClientError(error);
    }
  }

  #forbidCommit(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#mark(reason).catch((cause: unknown) => {
      const { logger } = this.#parts.session.settings;
      logger?.warn({ evt: 'rollback_only_unanswered', txn: this.gtrid, err: cause }, 'rollback-only not confirmed');
    });
  }

  async #place(resource: string): Promise<Placement> {
    const { bqual, address } = await this.#askForBranch(resource, '');
    if (address === '') {
      throw new ConcordatError(`No sidecar of ${resource} is attached to the coordinator.`, {
        code: 'RESOURCE_UNAVAILABLE',
        retryable: true,
      });
    }
    return { bqual, link: this.#parts.links.get(address) };
  }

  /** @param instance the participant of this process that will hold the branch; empty: a sidecar. */
  async #askForBranch(resource: string, instance: string): Promise<EnlistResponse> {
    const { session } = this.#parts;
    const { clock, connectTimeoutMs, random } = session.settings;
    const { signal } = this.#work;
    try {
      const { link } = await session.until(() => session.connection, { timeoutMs: connectTimeoutMs, signal });
      const requestId = `${this.gtrid}/${random.base32(8)}${++this.#asked}`;
      const answer = link.request({ enlist: { requestId, gtrid: this.gtrid, resource, newBranch: true, instance } });
      const { enlist } = await within(answer, { clock, timeoutMs: connectTimeoutMs, signal }, () => silent());
      if (!enlist || (instance !== '' && enlist.instance !== instance)) {
        throw new TypeError('the coordinator answered Enlist with something else');
      }
      this.#work.limit(enlist.timeoutMs, OVERDUE_GRACE_MS, silent);
      return enlist;
    } catch (error) {
      throw error === signal?.reason ? error : toClientError(error);
    }
  }
}

function silent(): ConcordatError {
  return new ConcordatError(
    'Neither the coordinator nor the participant answered within the time of the transaction.',
    {
      code: 'DEADLINE',
      retryable: true,
    },
  );
}

function notHeardHere(name: string): ConcordatError {
  const message = `${name}() belongs to the service that began the transaction: this one joined it, and does not hear of its end.`;
  return new ConcordatError(message, { code: 'TXN_STATE', retryable: false });
}
