// A global transaction that another service began and passed on: this one does work in it, and never ends it.

import type { EnlistResponse__Output as EnlistResponse } from '../../gen/concordat/v1/EnlistResponse.ts';
import { within } from '../../lib/wait.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { formatContext } from '../public/context.ts';
import { ConcordatError } from '../public/errors.ts';
import { type BranchStart, type JoinOptions, OVERDUE_GRACE_MS } from '../public/options.ts';
import type { Resource } from '../public/resource.ts';
import type { NamedLock, OnceOptions, OnceResult, OnceValue } from '../public/tables.ts';
import type { EnlistedConnection, EnlistOptions, TransactionWork } from '../public/transaction.ts';
import { toClientError } from '../session/failures.ts';
import { type ApplicationTables, applicationTables } from '../tables/application-tables.ts';
import type { Placement } from './branch.ts';
import { type TransactionParts, WorkBranches } from './branches.ts';
import { EnlistedConnections } from './enlisted.ts';
import { printable } from './printable.ts';
import { ResourceUses } from './resource-uses.ts';
import { Work } from './work.ts';

/** Made by `Concordat.join`. Its branches are its own; the service that began the transaction commits them with the rest. */
export class JoinedTransaction implements TransactionWork {
  readonly gtrid: Gtrid;
  readonly #parts: TransactionParts;
  readonly #work: Work;
  readonly #branches: WorkBranches;
  readonly #uses: ResourceUses;
  readonly #tables: ApplicationTables;
  readonly #enlisted: EnlistedConnections;
  readonly #start: BranchStart;
  #asked = 0;

  constructor(parts: TransactionParts, gtrid: Gtrid, options: JoinOptions) {
    this.gtrid = gtrid;
    this.#parts = parts;
    // The beginner may never hear of a statement that failed here, and must not commit without it.
    const onFailure = (error: unknown): void => this.#forbidCommit(error);
    this.#work = new Work(gtrid, parts.session.settings.clock, { signal: options.signal, onFailure });
    this.#uses = new ResourceUses(this.#work);
    this.#branches = new WorkBranches(parts, this.#work, options, (name) => this.#place(name));
    this.#enlisted = new EnlistedConnections(parts, gtrid, this.#work, this.#uses);
    this.#start = options;
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
    return formatContext(this.gtrid);
  }

  resource(name: string): Resource {
    return this.#uses.guard(this.#branches.get(name));
  }

  async enlist(resource: string, connection: object, options: EnlistOptions = {}): Promise<EnlistedConnection> {
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
      const how = { options, start: this.#start, name, endsWithPrepare: true };
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
        reason: printable(reason),
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
