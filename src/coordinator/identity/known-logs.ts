// The logs that a participant's database knows, as its hello tells: whether ours is the one that it has served, and whose else it holds.
import type { KnownLog__Output as WireKnownLog } from '../../gen/concordat/v1/KnownLog.ts';
import type { RecoveredLog } from '../../log/log.ts';
import { BRANCHES_OF_OTHERS_MAX, LIVES_MAX } from '../../xa/limits.ts';
import { type LogIdentity, parseBqual, parseGtrid, parseLogIdentity, type Xid } from '../../xa/xid.ts';

export interface LogAtEngine {
  readonly identity: LogIdentity;
  /** Of the newest life that was served; 0: none, there are only branches. */
  readonly epoch: number;
  readonly token: string;
  /** Its branches that are prepared there: how many, for how long the oldest at least, and the first of them. */
  readonly prepared: number;
  readonly oldestMs: number;
  readonly branches: readonly Xid[];
}

/** More logs than anybody has; a message is no place to store things in. */
const LOGS_MAX = 1_000;
const TOKEN = /^[a-z0-9]{0,16}$/;

/** Total: what is not in the grammar is left out. */
export function decodeLogs(logs: readonly WireKnownLog[]): readonly LogAtEngine[] {
  return logs.slice(0, LOGS_MAX).flatMap((log) => {
    const identity = parseLogIdentity(log.identity);
    const epoch = Number(log.epoch);
    if (identity === undefined || !Number.isSafeInteger(epoch) || !TOKEN.test(log.lifeToken)) {
      return [];
    }
    const branches = log.branches.slice(0, BRANCHES_OF_OTHERS_MAX).flatMap(({ gtrid, bqual }) => {
      const xid = { gtrid: parseGtrid(gtrid), bqual: parseBqual(bqual) };
      return xid.gtrid === undefined || xid.bqual === undefined ? [] : [{ gtrid: xid.gtrid, bqual: xid.bqual }];
    });
    return [
      { identity, epoch, token: log.lifeToken, prepared: log.prepared, oldestMs: Number(log.oldestMs), branches },
    ];
  });
}

/**
 * Whether a life that a database has served belongs to this log: it is one of its own, or a person has adopted the log knowing of it. A
 * copy of a log grows into the epochs that the original has lived, and its own token of such an epoch is another one.
 */
export function isOwnLife(log: RecoveredLog, served: { readonly epoch: number; readonly token: string }): boolean {
  const { lives, lostTo } = log;
  if (lostTo !== undefined && served.epoch <= lostTo) {
    return true;
  }
  if (lives === undefined) {
    return served.epoch <= log.epoch;
  }
  const own = lives.find(({ epoch }) => epoch === served.epoch);
  if (own !== undefined) {
    return own.token === served.token;
  }
  // Lives of versions that had no tokens, before the oldest that is known.
  return served.token === '' && isBeforeLives(log, served);
}

/**
 * A life that is older than all that the log remembers: nobody can tell whether it was its own. A database that was away while a supervisor
 * started the coordinator a thousand times has served one, and so may the original of a copy that was started as often.
 */
export function isForgottenLife(
  log: RecoveredLog,
  served: { readonly epoch: number; readonly token: string },
): boolean {
  const { lives = [] } = log;
  return lives.length >= LIVES_MAX && isBeforeLives(log, served) && !isOwnLife(log, served);
}

function isBeforeLives({ lives = [] }: RecoveredLog, { epoch }: { readonly epoch: number }): boolean {
  return epoch < (lives[0]?.epoch ?? 0);
}
