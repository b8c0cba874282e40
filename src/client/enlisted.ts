// The application's connections within one transaction: lent when they are enlisted, waited for when the transaction ends.
import type { Gtrid, Xid } from '../xa/xid.ts';
import { parseBqual } from '../xa/xid.ts';
import type { ClientParts } from './branches.ts';
import type { LentConnection } from './enlist/embedded.ts';
import type { BranchIdentity } from './errors.ts';
import { toClientError } from './failures.ts';
import { checkBranchStart } from './options.ts';
import type { EnlistedConnection, EnlistOptions } from './transaction.ts';
import { within } from './wait.ts';
import type { Work, WorkBranch } from './work.ts';

/** How long the end of a transaction waits until a connection is free again. */
const RELEASE_WAIT_MS = 10_000;

export class EnlistedConnections {
  readonly #parts: ClientParts;
  readonly #gtrid: Gtrid;
  readonly #work: Work;
  readonly #lent: LentConnection[] = [];
  #isAtWork = true;

  constructor(parts: ClientParts, gtrid: Gtrid, work: Work) {
    this.#parts = parts;
    this.#gtrid = gtrid;
    this.#work = work;
  }

  /** As `Transaction.enlist` says, with the branch qualifier that the transaction has chosen. */
  async enlist(
    resource: string,
    bqual: string,
    connection: object,
    options: EnlistOptions,
  ): Promise<EnlistedConnection> {
    checkBranchStart(options);
    const { embedding } = this.#parts;
    const work = this.#work;
    // Counted like a statement, so that a commit cannot overtake it.
    work.asked();
    try {
      const participants = await embedding.participants();
      const lent = await participants.enlist(resource, {
        xid: this.#xid(bqual),
        connection,
        url: options.url,
        isolation: options.isolation ?? 'default',
        readOnly: options.readOnly ?? false,
        timeoutMs: work.remainingMs,
        signal: work.signal,
      });
      this.#lent.push(lent);
      if (!this.#isAtWork) {
        lent.branch.endWork(); // The end was asked for while this was on its way.
      }
      work.add(branchOf(resource, { bqual, instance: lent.instance }, lent));
      return { resource, prepare: async () => void (await lent.adopted.prepare()) };
    } catch (error) {
      throw error instanceof TypeError || error === work.signal?.reason ? error : toClientError(error);
    } finally {
      work.answered();
    }
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

/** Its statements are the application's own: there is nothing here to stop. */
function branchOf(resource: string, identity: BranchIdentity, { adopted }: LentConnection): WorkBranch {
  return {
    resource,
    identity,
    askForVote: () => {
      void adopted.prepare();
      return true;
    },
    stop: () => undefined,
  };
}
