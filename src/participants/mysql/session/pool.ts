// The sessions for branches: taken one for each branch, given back only when their XA state is provably clean, and made as new behind the
// branch that ended: no answer waits for that, and the next branch has the session only then.
import type { Clock } from '../../../lib/clock.ts';
import { Pool } from '../../../lib/pool.ts';
import { SESSIONS_WAITED_FOR_MAX } from '../../../xa/limits.ts';
import { POOL_WAIT_MS } from '../../../xa/times.ts';
import { poolRefusal } from '../../reasons.ts';
import type { Session } from './session.ts';

export type MysqlSessions = Pool<Session>;

interface SessionsOptions {
  readonly max: number;
  readonly clock: Clock;
  readonly connect: () => Promise<Session>;
}

/** `take` throws {EngineError} LIMIT_CONNECTIONS after a second without a free session; ENGINE_UNAVAILABLE. */
export function openSessions({ max, clock, connect }: SessionsOptions): MysqlSessions {
  const pool = new Pool<Session>({
    ...{ max, waitersMax: SESSIONS_WAITED_FOR_MAX, waitMs: POOL_WAIT_MS, clock },
    make: async () => {
      const session = await connect();
      session.wire.onLost(() => pool.drop(session));
      return session;
    },
    destroy: (session) => session.destroy(),
    renew: (session) => session.isFresh || session.refresh().catch(() => false),
    refusal: (why) => poolRefusal(why, max, 'sessions'),
  });
  return pool;
}
