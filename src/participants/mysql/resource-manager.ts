// The adapter of MySQL and MariaDB: sessions for branches, and connections of its own for phase two, evidence and recovery.

import type { Clock } from '../../lib/clock.ts';
import { type EvidenceRow, type Opening, rowEvidence } from '../../xa/evidence.ts';
import { SIDECAR_BRANCHES_MAX } from '../../xa/limits.ts';
import { ENGINE_CALL_MS, ENGINE_CONNECT_MS, LOCK_WAIT_MS } from '../../xa/times.ts';
import type { BranchProof, Evidence, FinishResult } from '../../xa/vocabulary.ts';
import { formatXid, type LogIdentity, type Xid } from '../../xa/xid.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type EngineIdentity,
  type KnownLog,
  type PreflightFinding,
  type PreparedBranch,
  type RecordedLife,
  type ResourceManager,
} from '../resource-manager.ts';
import { Association } from './branch/association.ts';
import { MysqlBranch } from './branch/branch.ts';
import { blockedSessions } from './finish/blocked.ts';
import {
  createTables,
  forget,
  identify,
  knownLogs,
  markers,
  raiseEpoch,
  readEngine,
  readToken,
  showToken,
} from './finish/bookkeeping.ts';
import { ControlSessions } from './finish/control.ts';
import { Finisher } from './finish/finish.ts';
import { readRecoverRow } from './finish/listing.ts';
import { findOwner } from './finish/look.ts';
import { Pinned } from './finish/pinned.ts';
import { preflight } from './preflight.ts';
import type { Engine } from './protocol/engine.ts';
import { lostReason } from './protocol/errors.ts';
import type { Wire } from './protocol/wire.ts';
import { checkAgainst } from './session/identity.ts';
import { connectionOptions, type MysqlAddress, parseMysqlUrl } from './session/options.ts';
import { type MysqlSessions, openSessions } from './session/pool.ts';
import { openSession } from './session/session.ts';
import { type MarkerKey, recoverText, type Target } from './sql/texts.ts';

export interface MysqlOptions {
  /** `mysql://user:password@host:port/database` or the same with `mariadb:`, see `parseMysqlUrl`; or the parts of it. */
  readonly url: string | MysqlAddress;
  /** Branches open at once, one session each; prepared ones count where the engine does not detach them. Default: 64. */
  readonly poolMax?: number;
  readonly clock: Clock;
  /** This life of the participant, shown in `performance_schema.session_connect_attrs` as `program_name`. */
  readonly instance: string;
  /**
   * MariaDB: prepared branches let go of their session, by a variable that is meant for replication (`pseudo_slave_mode`).
   * No effect at MySQL, which detaches by default.
   */
  readonly detach?: boolean;
  /** In an application: it finishes what that one prepares, and nothing of others. */
  readonly embedded?: boolean;
  /** How long a statement waits for a lock, in milliseconds, rounded up to seconds. It ends deadlocks across databases. */
  readonly lockTimeoutMs?: number;
  /** Milliseconds after which an unanswered prepare or phase-two call counts as lost. Default 10,000. */
  readonly callTimeoutMs?: number;
}

/**
 * Opens the adapter; nothing is connected before the first call. Disposing it ends its sessions: the engine rolls back what
 * they had not prepared, and keeps what they had.
 * @throws {CoordinatorError} CONFIG_INVALID: the address.
 */
export function openMysqlResourceManager(options: MysqlOptions): ResourceManager {
  return new MysqlResourceManager(options);
}

class MysqlResourceManager implements ResourceManager {
  readonly #clock: Clock;
  readonly #detach: boolean;
  readonly #openControl: () => ControlSessions;
  readonly #control: ControlSessions;
  readonly #isEmbedded: boolean;
  readonly #pool: MysqlSessions;
  readonly #pinned = new Pinned();
  readonly #finisher: Finisher;
  /** Branches that are open and not prepared, by name; with their openings. */
  readonly #active = new Map<string, Opening>();
  #engine: Promise<Engine> | undefined;
  #expected: string | undefined;
  readonly #useAddress: (address: MysqlAddress) => void;
  /** How far the sweep of evidence rows has come; undefined: it begins anew. */
  #sweptTo: MarkerKey | undefined;

  constructor(options: MysqlOptions) {
    const address = typeof options.url === 'string' ? parseMysqlUrl(options.url) : options.url;
    const { clock, instance, lockTimeoutMs = LOCK_WAIT_MS, callTimeoutMs = ENGINE_CALL_MS } = options;
    const connectTimeoutMs = Math.min(callTimeoutMs, ENGINE_CONNECT_MS);
    const connection = connectionOptions(address, { instance, connectTimeoutMs });
    // Read whenever a connection is opened.
    this.#useAddress = (next) =>
      void Object.assign(connection, connectionOptions(next, { instance, connectTimeoutMs }));
    this.#clock = clock;
    this.#detach = options.detach ?? false;
    const onSilence = ({ askedAt }: Wire) => {
      this.#control.condemn(askedAt);
      // A server that has been silent on one connection has most likely lost the idle ones, too: each would cost its branch a deadline.
      for (const session of this.#pool.free.filter(({ wire }) => wire.heardAt < askedAt)) {
        this.#pool.drop(session);
      }
    };
    const patience = { clock, callTimeoutMs, onSilence };
    this.#openControl = () => new ControlSessions({ connection, ...patience });
    this.#isEmbedded = options.embedded ?? false;
    this.#control = this.#openControl();
    this.#pool = openSessions({
      max: options.poolMax ?? SIDECAR_BRANCHES_MAX,
      clock,
      connect: async () => {
        const engine = (await this.#known()).kind;
        const settings = { engine, detach: this.#detach, lockTimeoutMs, ...patience };
        const session = await openSession(connection, settings);
        try {
          await checkAgainst(
            () => this.#expected,
            (sql) => session.text(sql),
          );
        } catch (error) {
          session.destroy();
          throw error;
        }
        return session;
      },
    });
    this.#finisher = new Finisher({
      engine: () => this.#known(),
      control: this.#control,
      clock,
      pool: this.#pool,
      pinned: this.#pinned,
      isActive: (target) => this.#isActive(target),
    });
  }

  useUrl(url: string): void {
    this.#useAddress(parseMysqlUrl(url));
  }

  async identify(): Promise<EngineIdentity> {
    const fresh = this.#openControl();
    try {
      return await identify(fresh, await readEngine(fresh));
    } finally {
      fresh.close();
    }
  }

  expectIdentity(identity: string): void {
    if (this.#expected !== identity) {
      this.#expected = identity;
      this.#engine = undefined;
      this.#control.expectIdentity(identity);
      for (const { wire } of this.#pool.all) {
        wire.fail({ ...lostReason(undefined), message: 'another database is expected from now on' });
      }
    }
  }

  async preflight(): Promise<readonly PreflightFinding[]> {
    return await preflight(this.#control, await this.#ask(), this.#detach);
  }

  async createTables(): Promise<void> {
    await createTables(this.#control, await this.#ask());
  }

  async showToken(instance: string, token: string): Promise<void> {
    await showToken(this.#control, await this.#known(), { instance, token, finishesOthers: !this.#isEmbedded });
  }

  async readToken(instance: string): Promise<string | undefined> {
    return await readToken(this.#control, await this.#known(), instance);
  }

  async raiseEpoch(
    identity: LogIdentity,
    epoch: number,
    token: string,
    previous?: RecordedLife,
  ): Promise<RecordedLife> {
    return await raiseEpoch(this.#control, await this.#known(), identity, epoch, token, previous);
  }

  async knownLogs(): Promise<readonly KnownLog[]> {
    return await knownLogs(this.#control, await this.#known());
  }

  async open(xid: Xid, options: BranchOptions): Promise<BranchSession> {
    const key = formatXid(xid);
    if (this.#active.has(key) || this.#pinned.rows(xid).length > 0) {
      const reason = { code: 'BRANCH_EXISTS', message: `${key} is open here`, retryable: false };
      throw new EngineError(reason, { sessionLost: false });
    }
    this.#active.set(key, options.opening);
    try {
      const engine = await this.#known();
      const session = await this.#pool.take();
      const row = { ...xid, opening: options.opening };
      const association = new Association(row, options, session, {
        engine,
        pool: this.#pool,
        rollback: (mine) => this.#finisher.rollback(mine, rowEvidence(mine.opening)),
        fence: (mine) => this.#finisher.fence(mine, rowEvidence(mine.opening)),
      });
      return new MysqlBranch(row, options, {
        session: association,
        database: engine.database,
        pin: (prepared, itsSession) => this.#pinned.add(prepared, itsSession),
        detached: (prepared) => this.#finisher.detached(prepared),
        ended: () => this.#active.delete(key),
      });
    } catch (error) {
      this.#active.delete(key);
      throw error;
    }
  }

  commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return this.#finisher.commit(xid, evidence);
  }

  rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return this.#finisher.rollback(xid, evidence);
  }

  async list(): Promise<readonly PreparedBranch[]> {
    const { kind } = await this.#known();
    const [rows] = await this.#control.rows(recoverText(kind));
    return (rows ?? []).map((row) => readRecoverRow(kind, row));
  }

  probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    return this.#finisher.probe(xid, evidence);
  }

  fence(xid: Xid, evidence: Evidence): Promise<void> {
    return this.#finisher.fence(xid, evidence);
  }

  async markers(identity: LogIdentity): Promise<readonly EvidenceRow[]> {
    const { rows, end } = await markers(this.#control, await this.#known(), identity, this.#sweptTo);
    this.#sweptTo = end;
    return rows;
  }

  async forget(rows: readonly EvidenceRow[]): Promise<void> {
    await forget(this.#control, await this.#known(), rows);
  }

  async blockedSessions(xid: Xid): Promise<number> {
    const [pinned] = this.#pinned.rows(xid);
    const own = pinned === undefined ? undefined : this.#pinned.connectionOf(pinned);
    const owner = own ?? (await findOwner(this.#control, xid));
    const tools = { control: this.#control, clock: this.#clock, engine: await this.#known() };
    return await blockedSessions(tools, xid, owner);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pool.close();
    for (const session of this.#pool.all) {
      this.#pool.drop(session);
    }
    this.#control.close();
  }

  #isActive(target: Target): boolean {
    const opening = this.#active.get(formatXid(target));
    return opening !== undefined && (!('opening' in target) || target.opening === opening);
  }

  /** Asks the server anew: it may have been upgraded. @throws {EngineError} */
  #ask(): Promise<Engine> {
    const asked = readEngine(this.#control);
    this.#engine = asked;
    asked.catch(() => {
      if (this.#engine === asked) {
        this.#engine = undefined;
      }
    });
    return asked;
  }

  /** @throws {EngineError} */
  #known(): Promise<Engine> {
    return this.#engine ?? this.#ask();
  }
}
