// Which server a connection leads to: asked of each one that is opened, before anything else is done on it.
import { EngineError, otherEngine } from '../../resource-manager.ts';
import type { EngineKind } from '../protocol/engine.ts';
import { ERRNO, refusedError } from '../protocol/errors.ts';
import { errorOf, type ResultList } from '../protocol/exchange.ts';
import { IDENTITY_TABLE } from '../sql/tables.ts';

/** The server is one that cannot know this text: MariaDB has no server_uuid, and another database no row of ours. */
const STRANGE: readonly number[] = [ERRNO.unknownSystemVariable, ERRNO.noSuchTable];

/**
 * Answers who the database is, and the server's version. MySQL is known by its server_uuid, which a copy that is set up as the manual says
 * does not share. MariaDB has nothing like it that survives a move: a random row, and the server_id, in which a promoted replica differs
 * from its primary.
 */
export function identityText(kind: EngineKind): string {
  return kind === 'mysql'
    ? "SELECT CONCAT('mysql:',@@GLOBAL.server_uuid,':',DATABASE()),VERSION()"
    : `SELECT CONCAT('mariadb:',identity,':',@@GLOBAL.server_id,':',DATABASE()),VERSION() FROM ${IDENTITY_TABLE}`;
}

/**
 * Until a new connection is known to lead to the engine that is expected now: that may change while it is asked. Undefined: any will do.
 * @throws {EngineError} `RESOURCE_IDENTITY`: another server; or it cannot say now.
 */
export async function checkAgainst(
  expected: () => string | undefined,
  ask: (sql: string) => Promise<ResultList>,
): Promise<void> {
  for (let checked: string | undefined; checked !== expected(); ) {
    checked = expected();
    if (checked !== undefined) {
      await checkIdentity(ask, checked);
    }
  }
}

async function checkIdentity(ask: (sql: string) => Promise<ResultList>, expected: string): Promise<void> {
  // A read of a table begins a transaction where `autocommit` is off, and XA START is refused inside of one.
  // In the words of the engine that is expected, which tells the two servers apart, too.
  const answer = await ask(`${identityText(expected.startsWith('mysql:') ? 'mysql' : 'mariadb')};ROLLBACK`);
  const error = errorOf(answer);
  if (error !== undefined && !STRANGE.includes(error.errno)) {
    const { reason } = refusedError(error, 'ENGINE_UNAVAILABLE');
    throw new EngineError(reason, { sessionLost: true });
  }
  const [result] = answer;
  const found = result?.kind === 'cells' ? result.rows[0]?.[0]?.toString('utf8') : undefined;
  if (found !== expected) {
    throw otherEngine(expected, found ?? 'one that does not know it');
  }
}
