// An open branch at the memory engine, with the same manners as the real adapters: doomed by an error, finished once.
import type { Timer } from '../../lib/clock.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type OnePhaseResult,
  type Statement,
  type StatementResult,
} from '../../participants/resource-manager.ts';
import { type EvidenceRow, formatRow, rowEvidence } from '../../xa/evidence.ts';
import type { FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import type { Xid } from '../../xa/xid.ts';
import { callMemory, type MemoryConnection, unavailableReason } from './connection.ts';
import type { MemoryTransaction } from './engine.ts';
import type { MemoryVerb } from './faults.ts';
import { executeMemoryStatement } from './statement.ts';

const ENDED: Reason = { code: 'BRANCH_STATE', message: 'the branch is prepared or ended', retryable: false };

/** Made by `openMemoryResourceManager`'s `open`; `released` is called once, when the session is free. */
export class MemoryBranch implements BranchSession {
  readonly #connection: MemoryConnection;
  readonly #row: EvidenceRow;
  readonly #idleTimeoutMs: number;
  readonly #released: () => void;
  readonly #transaction: MemoryTransaction;
  #doom: Reason | undefined;
  #lost = false;
  #ended = false;
  #vote: Vote | undefined;
  #onePhase: FinishResult | undefined;
  #idle: Timer | undefined;
  #listener: ((reason: Reason) => void) | undefined;

  constructor(connection: MemoryConnection, xid: Xid, options: BranchOptions, released: () => void) {
    // A session stays with the engine that it was opened at, whichever answers at the address later.
    const { engine, clock, faults } = connection;
    this.#connection = { engine, clock, faults, expected: undefined };
    this.#row = { ...xid, opening: options.opening };
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#released = released;
    const session = { tag: formatRow(this.#row), ended: (why: string) => this.#sessionEnded(why) };
    this.#transaction = connection.engine.begin(session, options);
    this.#watchIdle();
  }

  async execute(statement: Statement): Promise<StatementResult> {
    if (this.#doom !== undefined || this.#ended) {
      throw new EngineError(this.#doom ?? ENDED, { sessionLost: this.#lost });
    }
    this.#idle?.cancel();
    try {
      return await this.#call('execute', () =>
        executeMemoryStatement(this.#connection.engine, this.#transaction, statement),
      );
    } catch (error) {
      throw this.#doomBy(error);
    } finally {
      this.#watchIdle();
    }
  }

  async executeAndPrepare(statement: Statement): Promise<{ readonly result: StatementResult; readonly vote: Vote }> {
    const result = await this.execute(statement);
    return { result, vote: await this.prepare() };
  }

  async prepare(): Promise<Vote> {
    if (this.#vote === undefined && !this.#ended && this.#doom === undefined) {
      try {
        this.#vote = await this.#call('prepare', () => this.#prepareAtEngine());
      } catch (error) {
        this.#doomBy(error);
      }
    }
    this.#vote ??= { kind: 'rollback', reason: this.#doom ?? ENDED };
    if (this.#vote.kind === 'rollback') {
      this.#abort();
    }
    this.#end();
    return this.#vote;
  }

  async askOnePhase(): Promise<OnePhaseResult> {
    const isOver = this.#ended || this.#doom !== undefined;
    return isOver || this.#transaction.writes.size === 0
      ? await this.commitOnePhase()
      : { kind: 'has-written', evidence: rowEvidence(this.#row.opening) };
  }

  async commitOnePhase(): Promise<FinishResult> {
    if (this.#onePhase === undefined && this.#doom === undefined && !this.#ended) {
      try {
        this.#onePhase = await this.#call('commit-one-phase', () => this.#commitAtEngine());
      } catch (error) {
        this.#onePhase = { kind: 'unknown', reason: this.#doomBy(error).reason };
      }
    }
    this.#onePhase ??= { kind: 'done-otherwise', proof: `rolled back: ${(this.#doom ?? ENDED).message}` };
    this.#abort();
    this.#end();
    return this.#onePhase;
  }

  async rollback(): Promise<void> {
    this.#abort();
    this.#end();
  }

  /** Ends the session unless it is at this engine. */
  expectIdentity(identity: string): void {
    if (this.#connection.engine.identity !== identity) {
      this.#abort();
      this.#sessionEnded('another database is expected from now on');
    }
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#listener = listener;
  }

  #call<T>(verb: MemoryVerb, action: () => T | Promise<T>): Promise<T> {
    return callMemory(this.#connection, { verb, xid: this.#row }, async () => {
      if (!this.#connection.engine.isActive(this.#transaction)) {
        throw new EngineError(unavailableReason('the session is gone'), { sessionLost: true });
      }
      return await action();
    });
  }

  #commitAtEngine(): FinishResult {
    const { engine } = this.#connection;
    if (this.#transaction.writes.size > 0 && engine.isTaken(formatRow(this.#row))) {
      return { kind: 'done-otherwise', proof: 'another opening of the branch is prepared or committed' };
    }
    engine.commit(this.#transaction);
    return { kind: 'done' };
  }

  #prepareAtEngine(): Vote {
    const { engine, clock } = this.#connection;
    if (this.#transaction.writes.size === 0) {
      engine.commit(this.#transaction);
      return { kind: 'read-only' };
    }
    return engine.prepare(this.#transaction, formatRow(this.#row), clock.now())
      ? { kind: 'prepared', evidence: rowEvidence(this.#row.opening) }
      : {
          kind: 'rollback',
          reason: { code: 'BRANCH_EXISTS', message: 'the Xid is already prepared', retryable: false },
        };
  }

  /** The first error stays the reason; a lost call takes the session with it, and the engine aborts what it still holds. */
  #doomBy(error: unknown): EngineError {
    const known =
      error instanceof EngineError
        ? error
        : new EngineError(
            { code: 'INTERNAL', message: String(error), retryable: false },
            { sessionLost: true, cause: error },
          );
    this.#doom ??= known.reason;
    if (known.sessionLost) {
      this.#abort();
      this.#sessionEnded(known.reason.message);
    }
    return known;
  }

  #sessionEnded(why: string): void {
    if (this.#ended || this.#lost) {
      return;
    }
    this.#lost = true;
    this.#doom ??= unavailableReason(why);
    this.#idle?.cancel();
    this.#listener?.(unavailableReason(why));
  }

  #watchIdle(): void {
    if (!this.#ended && !this.#lost) {
      this.#idle = this.#connection.clock.after(this.#idleTimeoutMs, () => {
        this.#abort();
        this.#sessionEnded('the session was idle for too long');
      });
    }
  }

  #abort(): void {
    if (this.#connection.engine.isActive(this.#transaction)) {
      this.#connection.engine.abort(this.#transaction);
    }
  }

  #end(): void {
    this.#idle?.cancel();
    if (!this.#ended) {
      this.#ended = true;
      this.#released();
    }
  }
}
