// The PostgreSQL adapter: branches in sessions of their own, phase two in a few control sessions, proof by evidence rows.

import type { ClientConfig } from 'pg';
import type { Clock } from '../../lib/clock.ts';
import { type EvidenceRow, formatRow, rowOf } from '../../xa/evidence.ts';
import {
  CONTROL_SESSIONS_MAX,
  CONTROLS_WAITED_FOR_MAX,
  SESSIONS_WAITED_FOR_MAX,
  SIDECAR_BRANCHES_MAX,
  TRANSACTION_TIMEOUT_DEFAULT_MS,
} from '../../xa/limits.ts';
import { ENGINE_CALL_MS, ENGINE_CONNECT_MS, LOCK_WAIT_MS, POOL_WAIT_MS } from '../../xa/times.ts';
import type { BranchProof, Evidence, FinishResult } from '../../xa/vocabulary.ts';
import { formatXid, type LogIdentity, type Xid } from '../../xa/xid.ts';
import { noOpening, noProof } from '../reasons.ts';
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
import { PgBranch } from './branch/branch.ts';
import { type BranchHost, type SessionRelease, wholeMs } from './branch/branch-wire.ts';
import { countBlocked, listPrepared } from './finish/catalogue.ts';
import { Fences } from './finish/fences.ts';
import { commitPrepared, type NoStanding, rollbackPrepared, standingOf } from './finish/finish.ts';
import { committedOf, listedOf, rollbackName } from './finish/openings.ts';
import { SessionPool } from './pool.ts';
import { poolerBetween } from './pooler.ts';
import { preflight } from './preflight.ts';
import type { BatchOutcome, BatchRequest } from './protocol/batch.ts';
import { openSession, type SessionSettings } from './session/connect.ts';
import { query, type RunInControl } from './session/query.ts';
import type { PgSession } from './session/session.ts';
import { CONTROL_SETTINGS } from './session/session-state.ts';
import { forgetRows, insertRowStep, listRows } from './tables/rows.ts';
import { createPostgresTables, knownLogs, raiseEpoch, readToken, showToken } from './tables/tables.ts';
import { clientConfigOf, parsePostgresUrl } from './url.ts';

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

/** Connects with the first call, not here. Disposing ends all sessions: what they had not prepared is rolled back. */
export function openPostgresResourceManager(options: PostgresOptions): ResourceManager {
  return new PostgresResourceManager(options);
}

class PostgresResourceManager implements ResourceManager {
  readonly #branches: SessionPool;
  readonly #controls: SessionPool;
  /** Sessions that serve an unprepared branch, with its opening. */
  readonly #open = new Map<PgSession, string>();
  readonly #fences: Fences;
  /** How far the sweep of evidence rows has come; undefined: it begins anew. */
  #sweptTo: EvidenceRow | undefined;
  readonly #host: Omit<BranchHost, 'release'>;
  readonly #poolMax: number;
  /** What the newest branch asked for: new sessions start with it, so that branches like it need no SET of their own. */
  #usualIdleTimeoutMs = TRANSACTION_TIMEOUT_DEFAULT_MS;
  readonly #callTimeoutMs: number;
  /** Opens a control session, of whichever engine answers. */
  readonly #connect: () => Promise<PgSession>;
  #expected: string | undefined;
  /** Read whenever a session is opened. */
  readonly #client: ClientConfig;

  constructor(options: PostgresOptions) {
    this.#client = { ...(options.url && clientConfigOf(parsePostgresUrl(options.url))), ...options.connection };
    const settings: Omit<SessionSettings, 'idleTimeoutMs'> = {
      client: this.#client,
      applicationName: `concordat ${options.instance}`,
      role: options.role,
      lockTimeoutMs: options.lockTimeoutMs ?? LOCK_WAIT_MS,
      connectTimeoutMs: Math.min(ENGINE_CONNECT_MS, options.callTimeoutMs ?? ENGINE_CALL_MS),
      clock: options.clock,
      startup: { refusesOptions: false },
    };
    const openBranchSession = () => openSession({ ...settings, idleTimeoutMs: this.#usualIdleTimeoutMs });
    this.#connect = () =>
      openSession({ ...settings, settings: CONTROL_SETTINGS, idleTimeoutMs: this.#usualIdleTimeoutMs });
    const expected = async (open: () => Promise<PgSession>) => {
      const session = await open();
      if (this.#expected !== undefined && session.identity !== this.#expected) {
        session.destroy();
        throw otherEngine(this.#expected, session.identity);
      }
      session.onEnd(() => void this.#open.delete(session));
      return session;
    };
    this.#poolMax = options.poolMax ?? SIDECAR_BRANCHES_MAX;
    this.#callTimeoutMs = options.callTimeoutMs ?? ENGINE_CALL_MS;
    const { clock } = options;
    const onSilence = (): void => {
      this.#branches.dropIdle();
      this.#controls.dropIdle();
    };
    this.#branches = new SessionPool({
      ...{ sessionsMax: this.#poolMax, waitersMax: SESSIONS_WAITED_FOR_MAX, waitMs: POOL_WAIT_MS, clock, onSilence },
      connect: () => expected(openBranchSession),
    });
    this.#controls = new SessionPool({
      ...{
        sessionsMax: CONTROL_SESSIONS_MAX,
        waitersMax: CONTROLS_WAITED_FOR_MAX,
        waitMs: this.#callTimeoutMs,
        clock,
        onSilence,
      },
      connect: () => expected(this.#connect),
    });
    this.#fences = new Fences(this.#control);
    this.#host = {
      callTimeoutMs: this.#callTimeoutMs,
      abandon: (row, backend) => {
        // Left because it did not answer in time: perhaps a lock, perhaps nobody is there any more.
        this.#branches.suspect();
        this.#controls.suspect();
        return this.#fences.abandon(row, backend);
      },
      rollbackPrepared: async (row) => void (await rollbackPrepared(this.#control, row, () => this.#fences.stuck(row))),
      proveOnePhase: (row, backend) => this.#fences.proveOnePhase(row, backend),
      keepDamage: async (row) => void (await this.#control({ kind: 'steps', steps: [insertRowStep(row)] })),
    };
  }

  useUrl(url: string): void {
    Object.assign(this.#client, clientConfigOf(parsePostgresUrl(url)));
  }

  async identify(): Promise<EngineIdentity> {
    const session = await this.#connect();
    const control: RunInControl = (request) => session.run(request, { timeoutMs: this.#callTimeoutMs });
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
    return await preflight(this.#control, {
      poolMax: this.#poolMax,
      controlSessions: CONTROL_SESSIONS_MAX,
      pooler: await poolerBetween(this.#connect, this.#callTimeoutMs),
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
    this.#open.set(session, formatRow({ ...xid, opening: options.opening }));
    const release = ({ isClean }: SessionRelease): void => {
      this.#open.delete(session);
      if (isClean) {
        this.#branches.release(session);
      } else {
        void session.close();
      }
    };
    return new PgBranch({ ...this.#host, release }, session, xid, options);
  }

  async commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const row = rowOf(xid, evidence);
    if (row === undefined) {
      return { kind: 'unproven', reason: noOpening(xid) };
    }
    const result = await commitPrepared(this.#control, row, () => this.#fences.stuck(row));
    return result.kind === 'done-otherwise' && evidence.kind !== 'row'
      ? { kind: 'unproven', reason: noProof(xid) }
      : result;
  }

  async rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const row = rowOf(xid, evidence);
    return row === undefined
      ? await rollbackName(this.#control, xid, () => this.#fences.stuck(xid))
      : await rollbackPrepared(this.#control, row, () => this.#fences.stuck(row));
  }

  list(): Promise<readonly PreparedBranch[]> {
    return listPrepared(this.#control);
  }

  async probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    const row = rowOf(xid, evidence);
    const mine = row === undefined ? `${formatXid(xid)}:` : formatRow(row);
    const isActive = [...this.#open.values()].some((open) => open.startsWith(mine));
    if (!isActive) {
      await this.#fences.end(row ?? xid);
    }
    if (row !== undefined) {
      const standing = certain(await standingOf(this.#control, row));
      const ended = evidence.kind === 'row' ? 'rolled-back' : 'unproven';
      return standing !== 'neither' ? standing : isActive ? 'active' : ended;
    }
    if (certain(await listedOf(this.#control, xid)).length > 0) {
      return 'prepared';
    }
    const isCommitted = certain(await committedOf(this.#control, xid)).length > 0;
    return isCommitted ? 'committed' : isActive ? 'active' : 'unproven';
  }

  async fence(xid: Xid, evidence: Evidence): Promise<void> {
    await this.#fences.end(rowOf(xid, evidence) ?? xid);
  }

  async markers(identity: LogIdentity): Promise<readonly EvidenceRow[]> {
    const { rows, end } = await listRows(this.#control, identity, this.#sweptTo);
    this.#sweptTo = end;
    return rows;
  }

  forget(rows: readonly EvidenceRow[]): Promise<void> {
    return forgetRows(this.#control, rows);
  }

  blockedSessions(xid: Xid): Promise<number> {
    return countBlocked(this.#control, xid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#branches.close(), this.#controls.close()]);
  }

  readonly #control = async (request: BatchRequest): Promise<BatchOutcome> => {
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
}

/** @throws {EngineError} the engine does not tell now. */
function certain<T extends string | readonly unknown[]>(answer: T | NoStanding): T {
  if (typeof answer === 'object' && 'reason' in answer) {
    throw new EngineError(answer.reason, { sessionLost: true });
  }
  return answer;
}
