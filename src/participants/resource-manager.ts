// The port to a database: what the participant runtime needs of an engine, and nothing that only one engine has.
import type { EvidenceRow, Opening } from '../xa/evidence.ts';
import type { BranchProof, Evidence, FinishResult, Isolation, Reason, Vote } from '../xa/vocabulary.ts';
import type { LogIdentity, Xid } from '../xa/xid.ts';
import type { OnePhaseAnswer } from './engine/call.ts';

/** A typed value as it crosses the wire (proto `Value`). `bigint` for every integer: 64 bits without loss. */
export type SqlValue =
  | { readonly kind: 'null' }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'json'; readonly value: string }
  | { readonly kind: 'timestamp'; readonly value: string }
  | { readonly kind: 'decimal'; readonly value: string };

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

export interface StatementResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly SqlValue[])[];
  readonly rowCount: number;
  /** 0: none. */
  readonly insertId: bigint;
}

export interface BranchOptions {
  /** Of this opening of the branch and of no other: its name at the engine and its evidence carry it. */
  readonly opening: Opening;
  readonly isolation: Isolation;
  readonly readOnly: boolean;
  /** The engine itself ends an unprepared branch that its session leaves idle for this long: a net below the runtime's deadline. */
  readonly idleTimeoutMs: number;
}

/** How the transaction of a branch begins, beside what its session has: as both dialects spell it. */
export function characteristics({
  isolation,
  readOnly,
}: Pick<BranchOptions, 'isolation' | 'readOnly'>): readonly string[] {
  return [
    ...(isolation === 'default' ? [] : [`isolation level ${isolation.replace('-', ' ')}`]),
    ...(readOnly ? ['read only'] : []),
  ];
}

/** A failed statement or call, in the engine's words. Every adapter method that rejects rejects with this. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly reason: Reason;
  /** The session is gone, and with it a branch that was not prepared. */
  readonly sessionLost: boolean;
  /** The statement committed the work of its branch alone, by what the engine showed: damage, and no rollback. */
  readonly damage: string | undefined;

  constructor(
    reason: Reason,
    options: { readonly sessionLost: boolean; readonly cause?: unknown; readonly damage?: string },
  ) {
    super(reason.message, { cause: options.cause });
    this.reason = reason;
    this.sessionLost = options.sessionLost;
    this.damage = options.damage;
  }
}

/** Another database answers at the address than the one that an adapter works with. It says nothing about any branch. */
export function otherEngine(expected: string, found: string): EngineError {
  const message = `another database answers at the address: ${expected} is expected, and ${found} is there`;
  return new EngineError({ code: 'RESOURCE_IDENTITY', message, retryable: true }, { sessionLost: true });
}

export function isOtherEngine(error: unknown): boolean {
  return error instanceof EngineError && error.reason.code === 'RESOURCE_IDENTITY';
}

export type OnePhaseResult = OnePhaseAnswer;

/**
 * An open branch and the session it lives in. Calls are made one at a time, never overlapping, except that `rollback` may
 * overtake a call that runs (a deadline): the session is then ended at the engine, and that call rejects or votes rollback.
 * After `prepare`, `commitOnePhase` or `rollback` the session is the adapter's again: given back to its pool if its XA state is
 * provably clean, pinned to the branch where the engine demands it (MariaDB), destroyed otherwise.
 */
export interface BranchSession {
  /** @throws {EngineError} the engine refused; the branch can only be rolled back (the adapter keeps that mark itself). */
  execute(statement: Statement): Promise<StatementResult>;
  /** Executes the branch's last statement and prepares, in as few round trips as the engine allows. */
  executeAndPrepare(statement: Statement): Promise<{ readonly result: StatementResult; readonly vote: Vote }>;
  /** Votes only on what the engine confirmed. Never rejects: a lost answer is a `rollback` vote (D3), and reconciliation finds the rest. */
  prepare(): Promise<Vote>;
  /**
   * Ends a branch that has written nothing. One that has written is left as it is, and its evidence told; `commitOnePhase` follows when
   * whoever asked knows it.
   */
  askOnePhase(): Promise<OnePhaseResult>;
  /** Commits the branch in one phase. `unknown` when the answer was lost: it may or may not have happened. */
  commitOnePhase(): Promise<FinishResult>;
  /** Rolls back a branch that is not prepared. Never rejects; a session that does not obey is destroyed. */
  rollback(): Promise<void>;
  /** Called once when the engine or the network ends the session by itself. */
  onLost(listener: (reason: Reason) => void): void;
}

export interface PreparedBranch {
  /** Undefined: not a branch of Concordat, or not in its grammar; never touched (D8). */
  readonly xid: Xid | undefined;
  /** The engine's own spelling, printable. */
  readonly raw: string;
  readonly evidence: Evidence;
  readonly ageMs: number;
}

export interface PreflightFinding {
  readonly fatal: boolean;
  /** Short name of the check, for instance `max_prepared_transactions`. */
  readonly check: string;
  readonly message: string;
  /** What to do about it, as a command or a statement where there is one. */
  readonly fix: string;
}

export interface EngineIdentity {
  readonly engine: 'postgresql' | 'mysql' | 'mariadb' | 'memory';
  readonly version: string;
  /** What the engine itself says it is: survives a move to another address, differs in a restored copy that was promoted. */
  readonly identity: string;
}

/** The newest life of a log that a database has served. */
export interface RecordedLife {
  readonly epoch: number;
  /** Random, one for each life: a copy of the log has the same epoch and another token. Empty: written by an older version. */
  readonly token: string;
}

/** A log of Concordat that a database has served. */
export interface KnownLog extends RecordedLife {
  readonly identity: LogIdentity;
}

/** One database, for the participant that speaks for it. Every verb may be called twice. */
export interface ResourceManager extends AsyncDisposable {
  /**
   * Connections that are opened from now on use this URL: a password was changed. Those that are open stay. Absent: the engine has no URL.
   * @throws {CoordinatorError} `CONFIG_INVALID`: it cannot be read; the former one counts.
   */
  useUrl?(url: string): void;

  /**
   * Who answers at the address now: asked on a connection that is opened for it, whatever `expectIdentity` said.
   * @throws {EngineError} the engine cannot be reached.
   */
  identify(): Promise<EngineIdentity>;
  /**
   * From now on this adapter works with no engine but this one, named as `identify` tells it. Connections that are open and were not
   * checked against this name are closed, sessions of open branches with them. Each connection that is opened later asks its server
   * who it is before anything else is done on it; where that is another, the connection is closed and the call fails as
   * `otherEngine` says. So nothing is ever begun at, finished at or proven by a database that only answers at the same address.
   * Said again with the same name it does nothing.
   */
  expectIdentity(identity: string): void;
  /** Checks everything that would break later, with reason and fix. @throws {EngineError} */
  preflight(): Promise<readonly PreflightFinding[]>;
  /** Creates the adapter's own tables if they are missing and it may. `printSql` gives the same for a person. @throws {EngineError} */
  createTables(): Promise<void>;
  /**
   * Writes a row of this participant into the database, in the place of its last one, and deletes rows that were not renewed for a
   * day: another participant that reads the same token is at the same database, and not at a copy of it. @throws {EngineError}
   */
  showToken(instance: string, token: string): Promise<void>;
  /** The token that the database in front of us holds for a participant; undefined: none. @throws {EngineError} */
  readToken(instance: string): Promise<string | undefined>;
  /**
   * Records the life of a log, durably, if it follows what this database knows: a higher epoch, and by at most `EPOCH_LEAP_MAX` (a log
   * that it does not know counts as epoch 0). Compared and set in one step.
   * @param previous what must still be recorded (epoch 0: nothing): the coordinator has looked at that, and not at what came since.
   * @returns what is recorded then: the arguments, or what speaks against them. `standingOf` tells which.
   * @throws {EngineError}
   */
  raiseEpoch(identity: LogIdentity, epoch: number, token: string, previous?: RecordedLife): Promise<RecordedLife>;
  /** Every log that this database has served. @throws {EngineError} */
  knownLogs(): Promise<readonly KnownLog[]>;
  /** Opens a branch. @throws {EngineError} code LIMIT_CONNECTIONS when no session is free; ENGINE_UNAVAILABLE. */
  open(xid: Xid, options: BranchOptions): Promise<BranchSession>;
  /**
   * Finishes the prepared branch that `evidence` speaks of, this opening of its name and no other, from whichever session can, and proves
   * it. Evidence of no row proves nothing: `unproven`. Never rejects.
   */
  commit(xid: Xid, evidence: Evidence): Promise<FinishResult>;
  /**
   * Rolls back one opening of a branch, or, without evidence of a row, every opening of its name. `done` when the engine does not hold it
   * prepared and nothing shows that it committed; `done-otherwise` when a row shows a commit. Never rejects.
   */
  rollback(xid: Xid, evidence: Evidence): Promise<FinishResult>;
  /** Every prepared branch of this database, ours and others'. @throws {EngineError} */
  list(): Promise<readonly PreparedBranch[]>;
  /**
   * What the engine shows for one opening of a branch now, or without evidence of a row for its name, after fencing whatever session of an
   * earlier life might still prepare it. A branch that this adapter holds open is `active` and left alone. @throws {EngineError}
   */
  probe(xid: Xid, evidence: Evidence): Promise<BranchProof>;
  /**
   * Ends sessions that an earlier life of this participant may have left and that could still prepare, and waits until they are gone: those
   * of one opening, or, without evidence, of the branch's name. @throws {EngineError}
   */
  fence(xid: Xid, evidence: Evidence): Promise<void>;
  /**
   * Evidence rows of this identity. Where they are many, a part of them: the next call goes on behind it, and begins anew after the last.
   * @throws {EngineError}
   */
  markers(identity: LogIdentity): Promise<readonly EvidenceRow[]>;
  /** Deletes evidence rows: the coordinator has accounted for these openings. @throws {EngineError} */
  forget(rows: readonly EvidenceRow[]): Promise<void>;
  /** How many sessions wait for locks of this branch; 0 where the engine cannot tell. @throws {EngineError} */
  blockedSessions(xid: Xid): Promise<number>;
}
