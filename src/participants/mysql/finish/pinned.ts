// Prepared branches that only their own session can finish: MariaDB, unless it detaches them, and MySQL without detaching.
import { type EvidenceRow, formatRow } from '../../../xa/evidence.ts';
import type { FinishResult } from '../../../xa/vocabulary.ts';
import { ERRNO, ROLLED_BACK_ERRNOS, refusedReason } from '../protocol/errors.ts';
import { errorOf, isInTransaction } from '../protocol/exchange.ts';
import type { MysqlSession } from '../session/port.ts';
import { isLost } from '../session/session.ts';
import { finishText, type Target } from '../sql/texts.ts';
import { isOf } from './look.ts';

export class Pinned {
  readonly #sessions = new Map<string, { readonly row: EvidenceRow; readonly session: MysqlSession }>();

  /** The opening that is meant, or all of the name. */
  rows(target: Target): readonly EvidenceRow[] {
    return [...this.#sessions.values()].flatMap(({ row }) => (isOf(row, target) ? [row] : []));
  }

  connectionOf(row: EvidenceRow): number | undefined {
    return this.#sessions.get(formatRow(row))?.session.id;
  }

  add(row: EvidenceRow, session: MysqlSession): void {
    this.#sessions.set(formatRow(row), { row, session });
    session.whenLost(() => this.#drop(row, session));
  }

  /** Undefined: there is no such session, or it is gone; any session may try. Never rejects. */
  async finish(verb: 'commit' | 'rollback', row: EvidenceRow): Promise<FinishResult | undefined> {
    const session = this.#sessions.get(formatRow(row))?.session;
    if (session === undefined) {
      return undefined;
    }
    try {
      const answer = await session.say([finishText(verb, row)], 'last');
      const error = errorOf(answer);
      if (error === undefined && !isInTransaction(answer.at(-1))) {
        this.#sessions.delete(formatRow(row));
        session.release(answer);
        return { kind: 'done' };
      }
      if (error !== undefined && error.errno !== ERRNO.xaNotA && !ROLLED_BACK_ERRNOS.includes(error.errno)) {
        return { kind: 'not-yet', reason: refusedReason(error) }; // The branch and its session are as before.
      }
    } catch (error) {
      if (!isLost(error)) {
        throw error;
      }
    }
    // Lost, or somebody else finished it: how is asked of the engine, and this session is not what it was.
    this.#drop(row, session);
    return undefined;
  }

  #drop(row: EvidenceRow, session: MysqlSession): void {
    if (this.#sessions.get(formatRow(row))?.session === session) {
      this.#sessions.delete(formatRow(row));
    }
    session.abandon();
  }
}
