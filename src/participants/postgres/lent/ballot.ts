// The vote of a branch in the application's PostgreSQL client: prepared with its row, or ended at once if it did nothing but read.

import { type EvidenceRow, rowEvidence } from '../../../xa/evidence.ts';
import type { Vote } from '../../../xa/vocabulary.ts';
import { HOLDS_BUT_READ_ONLY, lookAt } from '../branch/reader.ts';
import { UNREPLICATED } from '../protocol/errors.ts';
import { RESTORE_TEXT } from '../session/session-state.ts';
import { gidLiteral } from '../sql/gid.ts';
import { insertRowText } from '../tables/rows.ts';
import { lastTag, type PgAnswer } from './connection.ts';
import type { LentPgSession } from './session.ts';

export interface Balloting {
  readonly session: LentPgSession;
  readonly row: EvidenceRow;
  readonly rollbackPrepared: () => Promise<unknown>;
  /** Why an answer is a no. */
  readonly refused: (answer: PgAnswer) => Vote;
}

/** Never rejects. */
export async function ballot(balloting: Balloting): Promise<Vote> {
  const { session, row, rollbackPrepared, refused } = balloting;
  const prepareText = `prepare transaction ${gidLiteral(row)}`;
  const withRow = `${RESTORE_TEXT}${insertRowText(row)};${prepareText}`;
  if (session.wrote) {
    return await prepared(balloting, withRow);
  }
  const looked = await session.look();
  switch (looked.kind === 'answered' ? lookAt(looked.results.at(-1)) : undefined) {
    case 'read': {
      // Without a number it wrote nothing: a plain COMMIT frees everything at once.
      const committed = await session.ask('commit');
      return lastTag(committed) === 'COMMIT' ? { kind: 'read-only' } : refused(committed);
    }
    case 'may-have-sent': {
      // A COMMIT would deliver notifications before the decision; PREPARE refuses them, and what wrote nothing may end either way.
      const vote = await prepared(balloting, prepareText);
      if (vote.kind === 'prepared') {
        await rollbackPrepared();
        return { kind: 'read-only' };
      }
      return vote;
    }
    case 'holds':
      return session.isReadOnly
        ? { kind: 'rollback', reason: HOLDS_BUT_READ_ONLY }
        : await prepared(balloting, withRow);
    case undefined:
      return refused(looked);
  }
}

async function prepared({ session, row, rollbackPrepared, refused }: Balloting, text: string): Promise<Vote> {
  // Behind the prepare, when the branch's own settings are over: what COMMIT PREPARED is told in this session.
  const answer = await session.ask(`${text};show client_min_messages`);
  if (session.isUnreplicated) {
    await rollbackPrepared();
    return { kind: 'rollback', reason: UNREPLICATED };
  }
  const [end, level] = answer.kind === 'answered' ? answer.results.slice(-2) : [];
  if (end?.command !== 'PREPARE') {
    return refused(answer.kind === 'answered' ? { ...answer, results: answer.results.slice(0, -1) } : answer);
  }
  session.hearsWarnings = !DEAF.has(level?.rows[0]?.[0] ?? '');
  return { kind: 'prepared', evidence: rowEvidence(row.opening) };
}

/** Levels at which no warning is told, not even that a wait for the synchronous standby was cut off. */
const DEAF: ReadonlySet<string> = new Set(['error', 'fatal', 'panic']);
