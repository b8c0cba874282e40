// Which kind of connection pooler stands between the participant and its server, found out by asking which process answers.
import { EngineError } from '../resource-manager.ts';
import { lostReason } from './protocol/errors.ts';
import type { PgSession } from './session/session.ts';

/** `session`: each of our connections has a server session of its own. `transaction`: several share them, and none keeps one. */
export type Pooler = 'none' | 'session' | 'transaction';

/** Each of two connections is asked so often, in turns: a pooler of transactions gives the one what the other has just left. */
const TURNS = 4;

/** @throws {EngineError} */
export async function poolerBetween(open: () => Promise<PgSession>, timeoutMs: number): Promise<Pooler> {
  // No AsyncDisposableStack: this runs in applications, too, on a Node 22, which has none.
  const opened: PgSession[] = [];
  try {
    return await askedThrough(async () => {
      const session = await open();
      opened.push(session);
      return session;
    }, timeoutMs);
  } finally {
    for (const session of opened.reverse()) {
      await session.close();
    }
  }
}

async function askedThrough(next: () => Promise<PgSession>, timeoutMs: number): Promise<Pooler> {
  const first = await next();
  // The connection's cancel key carries the process that took it, or whatever the pooler made up.
  if (first.wirePid === first.backend.pid) {
    return 'none';
  }
  const second = await next();
  const processes = [new Set([first.backend.pid]), new Set([second.backend.pid])] as const;
  for (let turn = 0; turn < TURNS; turn += 1) {
    processes[0].add(await processOf(first, timeoutMs));
    processes[1].add(await processOf(second, timeoutMs));
  }
  const all = new Set([...processes[0], ...processes[1]]);
  return processes[0].size === 1 && processes[1].size === 1 && all.size === 2 ? 'session' : 'transaction';
}

async function processOf(session: PgSession, timeoutMs: number): Promise<number> {
  const outcome = await session.run({ kind: 'simple', text: 'select pg_backend_pid()::text' }, { timeoutMs });
  const pid = outcome.kind === 'answered' ? outcome.results[0]?.rows[0]?.[0] : undefined;
  if (pid == null) {
    throw new EngineError(lostReason(outcome.kind === 'too-large' ? undefined : outcome.error), { sessionLost: true });
  }
  return Number(pid);
}
