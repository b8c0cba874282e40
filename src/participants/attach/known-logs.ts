// The logs of Concordat that a database knows: those that it has served, and those of which it holds prepared branches.
import type { KnownLog as WireKnownLog } from '../../gen/concordat/v1/KnownLog.ts';
import type { Clock } from '../../lib/clock.ts';
import { BRANCHES_OF_OTHERS_MAX } from '../../xa/limits.ts';
import { formatXid, gtridParts, type LogIdentity } from '../../xa/xid.ts';
import { EngineError, type EngineIdentity, type PreparedBranch, type ResourceManager } from '../resource-manager.ts';

/** Branches of other logs whose first sight is remembered; older than these may look younger than they are. */
const SEEN_MAX = 10_000;

export class KnownLogs {
  readonly #rm: ResourceManager;
  readonly #clock: Clock;
  #served = new Set<string>();
  #listsOthers = false;
  /** When a branch was first seen, for engines that do not tell how old it is. */
  #seen = new Map<string, number>();

  constructor(rm: ResourceManager, clock: Clock) {
    this.#rm = rm;
    this.#clock = clock;
  }

  /** Asks the engine. @throws {EngineError} */
  async ask(engine: EngineIdentity['engine']): Promise<WireKnownLog[]> {
    const served = await this.#rm.knownLogs();
    this.#served = new Set(served.map(({ identity }) => identity));
    // MySQL and MariaDB list the branches of every database of the server: those of logs that this one has not served are not its own.
    this.#listsOthers = engine === 'mysql' || engine === 'mariadb';
    const prepared = new Map(this.#described(await this.#list()).map((log) => [log.identity, log]));
    const told = served.map(({ identity, epoch, token }) => {
      const branches = prepared.get(identity);
      prepared.delete(identity);
      return { ...branches, identity, epoch, lifeToken: token };
    });
    return [...told, ...prepared.values()];
  }

  /** An application's own account may not be allowed to list: its sidecar tells of the branches. @throws {EngineError} */
  async #list(): Promise<readonly PreparedBranch[]> {
    try {
      return await this.#rm.list();
    } catch (error) {
      if (error instanceof EngineError && !error.sessionLost) {
        return [];
      }
      throw error;
    }
  }

  /** Logs other than the served one that have branches among those that the engine lists. */
  others(listed: readonly PreparedBranch[], served: LogIdentity): WireKnownLog[] {
    return this.#described(listed).filter(({ identity }) => identity !== served);
  }

  #described(listed: readonly PreparedBranch[]): WireKnownLog[] {
    const now = this.#clock.now();
    const seen = new Map<string, number>();
    const logs = new Map<string, Required<Pick<WireKnownLog, 'branches'>> & { prepared: number; oldestMs: number }>();
    for (const { xid, ageMs } of listed) {
      const identity = xid === undefined ? '' : gtridParts(xid.gtrid).identity;
      if (xid === undefined || (this.#listsOthers && !this.#served.has(identity))) {
        continue;
      }
      const log = logs.get(identity) ?? { prepared: 0, oldestMs: 0, branches: [] };
      logs.set(identity, log);
      log.prepared += 1;
      if (log.branches.length < BRANCHES_OF_OTHERS_MAX) {
        log.branches.push({ gtrid: xid.gtrid, bqual: xid.bqual });
      }
      const since = this.#seen.get(formatXid(xid)) ?? now;
      if (seen.size < SEEN_MAX) {
        seen.set(formatXid(xid), since);
      }
      log.oldestMs = Math.max(log.oldestMs, Math.trunc(ageMs), Math.trunc(now - since));
    }
    this.#seen = seen;
    return [...logs].map(([identity, log]) => ({ identity, ...log }));
  }
}
