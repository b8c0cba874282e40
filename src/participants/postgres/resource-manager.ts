// The PostgreSQL adapter: branches in sessions of their own, phase two in a few control sessions, proof by pg_xact_status.
import type { ClientConfig } from 'pg';
import type { Clock } from '../../lib/clock.ts';
import { SIDECAR_BRANCHES_MAX, TRANSACTION_TIMEOUT_DEFAULT_MS } from '../../xa/limits.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../xa/vocabulary.ts';
import { formatXid, type LogIdentity, type Xid } from '../../xa/xid.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type EngineIdentity,
  type KnownLog,
  otherEngine,
  type PreflightFinding,
  type PreparedBranch,
  type RecordedLife,
  type ResourceManager,
} from '../resource-manager.ts';
import type { BatchOutcome, Request } from './batch.ts';
import { PgBranch } from './branch.ts';
import { type BranchHost, wholeMs } from './branch-wire.ts';
import { countBlocked, fenceBranch, listPrepared, query } from './catalogue.ts';
import { lostReason } from './errors.ts';
import { type Control, commitPrepared, rollbackPrepared, standingOf, xactStatus } from './finish.ts';
import { SessionPool } from './pool.ts';
import { preflight } from './preflight.ts';
import { type Backend, openSession, type PgSession, type SessionSettings } from './session.ts';
import { createPostgresTables, knownLogs, raiseEpoch, readToken, showToken } from './tables.ts';

export interface PostgresOptions {
  /** `postgresql://user:password@host:port/database?sslmode=…`; fields of `connection` win over it. */
  readonly url?: string;
  readonly connection?: ClientConfig;
  /** Branches open at once, one session each; `SIDECAR_BRANCHES_MAX` if absent. */
  readonly poolMax?: number;
  readonly clock: Clock;
  /** Branch work and phase two run as this role (`SET ROLE`), which then owns the prepared branches. */
  readonly role?: string;
  /** This life of the participant, shown in `pg_stat_activity.application_name` while a session serves no branch. */
  readonly instance: string;
  /** Milliseconds that a statement waits for a lock. Default 10,000. */
  readonly lockTimeoutMs?: number;
  /** Milliseconds after which an unanswered prepare or phase-two call counts as lost. Default 10,000. */
  readonly callTimeoutMs?: number;
}

/** How long `open` waits for a free session before it refuses. */
const OPEN_WAIT_MS = 1_000;
/** Enough that phase-two calls share the engine's flushes, few enough to leave its connections to branches. */
const CONTROL_SESSIONS_MAX = 8;
/** Processes remembered until they are known to be gone; the name that their sessions carry finds older ones, too. */
const ABANDONED_MAX = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;
const LOCK_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 10_000;

/** Connects with the first call, not here. Disposing ends all sessions: what they had not prepared is rolled back. */
export function openPostgresResourceManager(options: PostgresOptions): ResourceManager {
  return new PostgresResourceManager(options);
}

class PostgresResourceManager implements ResourceManager {
  readonly #branches: SessionPool;
  readonly #controls: SessionPool;
  /** Sessions that serve an unprepared branch, with the branch. */
  readonly #open = new Map<PgSession, string>();
  /** Server processes that may still prepare a branch although we left them, by the branch. */
  readonly #abandoned = new Map<string, Backend>();
  readonly #host: BranchHost;
  readonly #poolMax: number;
  /** What the newest branch asked for: new sessions start with it, so that branches like it need no SET of their own. */
  #usualIdleTimeoutMs = TRANSACTION_TIMEOUT_DEFAULT_MS;
  readonly #callTimeoutMs: number;
  /** Opens a session, of whichever engine answers. */
  readonly #connect: () => Promise<PgSession>;
  #expected: string | undefined;

  constructor(options: PostgresOptions) {
    const settings: Omit<SessionSettings, 'idleTimeoutMs'> = {
      client: { ...(options.url === undefined ? {} : { connectionString: options.url }), ...options.connection },
      applicationName: `concordat ${options.instance}`,
      role: options.role,
      lockTimeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
      connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, options.callTimeoutMs ?? CALL_TIMEOUT_MS),
      clock: options.clock,
    };
    this.#connect = () => openSession({ ...settings, idleTimeoutMs: this.#usualIdleTimeoutMs });
    const connect = async () => {
      const session = await this.#connect();
      if (this.#expected !== undefined && session.identity !== this.#expected) {
        session.destroy();
        throw otherEngine(this.#expected, session.identity);
      }
      session.onEnd(() => void this.#open.delete(session));
      return session;
    };
    this.#poolMax = options.poolMax ?? SIDECAR_BRANCHES_MAX;
    this.#callTimeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS;
    const { clock } = options;
    this.#branches = new SessionPool({ sessionsMax: this.#poolMax, waitMs: OPEN_WAIT_MS, clock, connect });
    this.#controls = new SessionPool({
      sessionsMax: CONTROL_SESSIONS_MAX,
      waitMs: this.#callTimeoutMs,
      clock,
      connect,
    });
    this.#host = {
      callTimeoutMs: this.#callTimeoutMs,
      release: (session, clean) => {
        this.#open.delete(session);
        if (clean) {
          this.#branches.release(session);
        } else {
          void session.close();
        }
      },
      abandon: (xid, backend) => this.#abandon(xid, backend),
      rollbackPrepared: async (xid) => void (await this.rollback(xid, '')),
      proveOnePhase: (xid, xid8, backend) => this.#proveOnePhase(xid, xid8, backend),
    };
  }

  async identify(): Promise<EngineIdentity> {
    const session = await this.#connect();
    const control: Control = (request) => session.run(request, { timeoutMs: this.#callTimeoutMs });
    try {
      const [result] = await query(control, [{ text: `select current_setting('server_version')` }]);
      return { engine: 'postgresql', version: result?.rows[0]?.[0] ?? '', identity: session.identity };
    } finally {
      void session.close();
    }
  }

  expectIdentity(identity: string): void {
    this.#expected = identity;
    const isOther = (session: PgSession) => session.identity !== identity;
    this.#branches.destroy(isOther);
    this.#controls.destroy(isOther);
  }

  async preflight(): Promise<readonly PreflightFinding[]> {
    const session = await this.#controls.acquire();
    const { wirePid, backend } = session;
    this.#controls.release(session);
    return await preflight(this.#control, {
      poolMax: this.#poolMax,
      controlSessions: CONTROL_SESSIONS_MAX,
      wirePid,
      backendPid: backend.pid,
    });
  }

  createTables(): Promise<void> {
    return createPostgresTables(this.#control);
  }

  showToken(instance: string, token: string): Promise<void> {
    return showToken(this.#control, instance, token);
  }

  readToken(instance: string): Promise<string | undefined> {
    return readToken(this.#control, instance);
  }

  raiseEpoch(identity: LogIdentity, epoch: number, token: string, previous?: RecordedLife): Promise<RecordedLife> {
    return raiseEpoch(this.#control, identity, epoch, token, previous);
  }

  knownLogs(): Promise<readonly KnownLog[]> {
    return knownLogs(this.#control);
  }

  async open(xid: Xid, options: BranchOptions): Promise<BranchSession> {
    this.#usualIdleTimeoutMs = wholeMs(options.idleTimeoutMs);
    const session = await this.#branches.acquire();
    this.#open.set(session, formatXid(xid));
    return new PgBranch(this.#host, session, xid, options);
  }

  commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return commitPrepared(this.#control, xid, evidence);
  }

  rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return rollbackPrepared(this.#control, xid, evidence, async () => {
      try {
        await this.fence(xid);
        return undefined;
      } catch (error) {
        return lostReason(error);
      }
    });
  }

  list(): Promise<readonly PreparedBranch[]> {
    return listPrepared(this.#control);
  }

  async probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    const active = [...this.#open.values()].includes(formatXid(xid));
    if (!active) {
      await this.fence(xid);
    }
    const standing = await standingOf(this.#control, xid, evidence);
    if ('kind' in standing) {
      throw new EngineError(standing.reason, { sessionLost: true });
    }
    if (standing.prepared) {
      return 'prepared';
    }
    switch (standing.status) {
      case 'committed':
        return 'committed';
      case 'aborted':
        return 'rolled-back';
      default:
        return active || standing.status === 'in progress' ? 'active' : 'unproven';
    }
  }

  async fence(xid: Xid): Promise<void> {
    const abandoned = this.#abandoned.get(formatXid(xid));
    await fenceBranch(this.#control, xid, abandoned === undefined ? [] : [abandoned]);
    this.#abandoned.delete(formatXid(xid));
  }

  /** PostgreSQL keeps the evidence itself, in its commit log. */
  async markers(): Promise<readonly Xid[]> {
    return [];
  }

  async forget(): Promise<void> {}

  blockedSessions(xid: Xid): Promise<number> {
    return countBlocked(this.#control, xid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#branches.close(), this.#controls.close()]);
  }

  readonly #control = async (request: Request): Promise<BatchOutcome> => {
    let session: PgSession;
    try {
      session = await this.#controls.acquire();
    } catch (error) {
      return { kind: 'lost', error };
    }
    const outcome = await session.run(request, { timeoutMs: this.#callTimeoutMs });
    this.#controls.release(session);
    return outcome;
  };

  async #abandon(xid: Xid, backend: Backend): Promise<void> {
    const [oldest] = this.#abandoned.keys();
    if (this.#abandoned.size >= ABANDONED_MAX && oldest !== undefined) {
      this.#abandoned.delete(oldest);
    }
    this.#abandoned.set(formatXid(xid), backend);
    try {
      await this.fence(xid);
    } catch {
      // The engine cannot be asked now. The entry stays, and whoever fences this branch later ends the process then.
    }
  }

  /** A process that is gone executes nothing any more: then, and not before, "aborted" is the end and not a moment. */
  async #proveOnePhase(xid: Xid, xid8: string, backend: Backend): Promise<FinishResult> {
    await this.#abandon(xid, backend);
    const status = this.#abandoned.has(formatXid(xid)) ? undefined : await xactStatus(this.#control, xid8);
    switch (status) {
      case 'committed':
        return { kind: 'done' };
      case 'aborted':
        return { kind: 'done-otherwise', proof: `pg_xact_status of xid8:${xid8} is aborted` };
      default: {
        const message = `the answer to COMMIT was lost, and pg_xact_status of xid8:${xid8} is ${status ?? 'not known'}`;
        const reason: Reason = { code: 'OUTCOME_UNKNOWN', message, retryable: true };
        return { kind: 'unknown', reason };
      }
    }
  }
}
