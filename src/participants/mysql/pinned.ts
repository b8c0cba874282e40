// Prepared branches that only their own session can finish: MariaDB, unless it detaches them, and MySQL without detaching.
import { formatXid, type Xid } from '../../xa/xid.ts';
import { ERRNO, ROLLED_BACK } from './errors.ts';
import type { ServerError } from './packets.ts';
import type { Pool } from './pool.ts';
import { errorOf, isLost, type Session } from './session.ts';
import { finishText } from './texts.ts';
import { isInTransaction } from './work.ts';

/** `elsewhere`: there is no such session, or it is gone; any session may try. `refused`: the branch and its session are as before. */
export type PinnedFinish =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly error: ServerError }
  | { readonly kind: 'elsewhere' };

export class Pinned {
  readonly #sessions = new Map<string, Session>();
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  has(xid: Xid): boolean {
    return this.#sessions.has(formatXid(xid));
  }

  connectionOf(xid: Xid): number | undefined {
    return this.#sessions.get(formatXid(xid))?.id;
  }

  add(xid: Xid, session: Session): void {
    this.#sessions.set(formatXid(xid), session);
    session.whenLost = () => this.#drop(xid, session);
    if (session.wire.lost !== undefined) {
      this.#drop(xid, session);
    }
  }

  /** Never rejects. */
  async finish(verb: 'commit' | 'rollback', xid: Xid): Promise<PinnedFinish> {
    const session = this.#sessions.get(formatXid(xid));
    if (session === undefined) {
      return { kind: 'elsewhere' };
    }
    try {
      const answer = await session.text(finishText(verb, xid));
      const error = errorOf(answer);
      if (error === undefined && !isInTransaction(answer.at(-1))) {
        this.#sessions.delete(formatXid(xid));
        session.whenLost = undefined;
        this.#pool.release(session);
        return { kind: 'done' };
      }
      if (error !== undefined && error.errno !== ERRNO.xaNotA && !ROLLED_BACK.includes(error.errno)) {
        return { kind: 'refused', error };
      }
      // Somebody else finished it: how is asked of the engine, and this session is not what it was.
      this.#drop(xid, session);
      return { kind: 'elsewhere' };
    } catch (error) {
      if (!isLost(error)) {
        throw error;
      }
      this.#drop(xid, session);
      return { kind: 'elsewhere' };
    }
  }

  #drop(xid: Xid, session: Session): void {
    if (this.#sessions.get(formatXid(xid)) === session) {
      this.#sessions.delete(formatXid(xid));
    }
    session.whenLost = undefined;
    this.#pool.drop(session);
  }
}
