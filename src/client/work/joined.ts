// A global transaction that another service began and passed on: this one does work in it, and never ends it.

import { within } from '../../lib/wait.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { formatContext } from '../public/context.ts';
import { ConcordatError } from '../public/errors.ts';
import { type JoinOptions, OVERDUE_GRACE_MS } from '../public/options.ts';
import type { Resource } from '../public/resource.ts';
import type { TransactionWork } from '../public/transaction.ts';
import { toClientError } from '../session/failures.ts';
import type { Placement } from './branch.ts';
import { type ClientParts, WorkBranches } from './branches.ts';
import { printable } from './printable.ts';
import { Work } from './work.ts';

/** Made by `Concordat.join`. Its branches are its own; the service that began the transaction commits them with the rest. */
export class JoinedTransaction implements TransactionWork {
  readonly gtrid: Gtrid;
  readonly #parts: ClientParts;
  readonly #work: Work;
  readonly #branches: WorkBranches;
  #enlisted = 0;

  constructor(parts: ClientParts, gtrid: Gtrid, options: JoinOptions) {
    this.gtrid = gtrid;
    this.#parts = parts;
    // The beginner may never hear of a statement that failed here, and must not commit without it.
    const onFailure = (error: unknown): void => this.#forbidCommit(error);
    this.#work = new Work(gtrid, parts.session.settings.clock, { signal: options.signal, onFailure });
    this.#branches = new WorkBranches(parts, this.#work, options, (name) => this.#enlist(name));
  }

  get context(): string {
    return formatContext(this.gtrid);
  }

  resource(name: string): Resource {
    return this.#branches.get(name);
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

  async #enlist(resource: string): Promise<Placement> {
    const { session, links } = this.#parts;
    const { clock, connectTimeoutMs, random } = session.settings;
    const { signal } = this.#work;
    try {
      const { link } = await session.until(() => session.connection, { timeoutMs: connectTimeoutMs, signal });
      const requestId = `${this.gtrid}/${random.base32(8)}${++this.#enlisted}`;
      const answer = link.request({ enlist: { requestId, gtrid: this.gtrid, resource, newBranch: true } });
      const { enlist } = await within(answer, { clock, timeoutMs: connectTimeoutMs, signal }, () => silent());
      if (!enlist) {
        throw new TypeError('the coordinator answered Enlist with something else');
      }
      if (enlist.address === '') {
        throw new ConcordatError(`No sidecar of ${resource} is attached to the coordinator.`, {
          code: 'RESOURCE_UNAVAILABLE',
          retryable: true,
        });
      }
      this.#work.limit(enlist.timeoutMs, OVERDUE_GRACE_MS, silent);
      return { bqual: enlist.bqual, link: links.get(enlist.address) };
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
