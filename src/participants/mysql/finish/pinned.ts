// Prepared branches that only their own session can finish: MariaDB, unless it detaches them, and MySQL without detaching.
import { type EvidenceRow, formatRow } from '../../../xa/evidence.ts';
import { ERRNO, ROLLED_BACK } from '../protocol/errors.ts';
import { errorOf, isInTransaction } from '../protocol/exchange.ts';
import type { ServerError } from '../protocol/packets.ts';
import type { Sessions } from '../session/pool.ts';
import { isLost, type Session } from '../session/session.ts';
import { finishText, type Target } from '../sql/texts.ts';
import { isOf } from './look.ts';

/** `elsewhere`: there is no such session, or it is gone; any session may try. `refused`: the branch and its session are as before. */
export type PinnedFinish =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly error: ServerError }
  | { readonly kind: 'elsewhere' };

export class Pinned {
  readonly #sessions = new Map<string, { readonly row: EvidenceRow; readonly session: Session }>();
  readonly #pool: Sessions;

  constructor(pool: Sessions) {
    this.#pool = pool;
  }

  /** The opening that is meant, or all of the name. */
  rows(target: Target): readonly EvidenceRow[] {
    return [...this.#sessions.values()].flatMap(({ row }) => (isOf(row, target) ? [row] : []));
  }

  connectionOf(row: EvidenceRow): number | undefined {
    return this.#sessions.get(formatRow(row))?.session.id;
  }

  add(row: EvidenceRow, session: Session): void {
    this.#sessions.set(formatRow(row), { row, session });
    session.whenLost = () => this.#drop(row, session);
    if (session.wire.lost !== undefined) {
      this.#drop(row, session);
    }
  }

  /** Never rejects. */
  async finish(verb: 'commit' | 'rollback', row: EvidenceRow): Promise<PinnedFinish> {
    const session = this.#sessions.get(formatRow(row))?.session;
    if (session === undefined) {
      return { kind: 'elsewhere' };
    }
    try {
      const answer = await session.text(finishText(verb, row));
      const error = errorOf(answer);
      if (error === undefined && !isInTransaction(answer.at(-1))) {
        this.#sessions.delete(formatRow(row));
        session.whenLost = undefined;
        this.#pool.give(session);
        return { kind: 'done' };
      }
      if (error !== undefined && error.errno !== ERRNO.xaNotA && !ROLLED_BACK.includes(error.errno)) {
        return { kind: 'refused', error };
      }
      // Somebody else finished it: how is asked of the engine, and this session is not what it was.
      this.#drop(row, session);
      return { kind: 'elsewhere' };
    } catch (error) {
      if (!isLost(error)) {
        throw error;
      }
      this.#drop(row, session);
      return { kind: 'elsewhere' };
    }
  }

  #drop(row: EvidenceRow, session: Session): void {
    if (this.#sessions.get(formatRow(row))?.session === session) {
      this.#sessions.delete(formatRow(row));
    }
    session.whenLost = undefined;
    this.#pool.drop(session);
  }
}
