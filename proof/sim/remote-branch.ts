// An open branch as a participant's adapter holds it, with its session at the other end of a wire.

import {
  type BranchSession,
  EngineError,
  type OnePhaseResult,
  type Statement,
  type StatementResult,
} from '../../src/participants/resource-manager.ts';
import type { MemoryTransaction } from '../../src/testing/engine/engine.ts';
import { type EvidenceRow, formatRow, type Opening, rowEvidence } from '../../src/xa/evidence.ts';
import type { FinishResult, Reason, Vote } from '../../src/xa/vocabulary.ts';
import { type EngineWire, LOST, type Session } from './wire-to-engine.ts';

/** The engine's end of it. */
export interface Opened {
  readonly inner: BranchSession;
  readonly transaction: MemoryTransaction | undefined;
}

export class RemoteBranch implements BranchSession {
  readonly #wire: EngineWire;
  readonly #session: Session;
  readonly #tag: string;
  readonly #opening: Opening;
  readonly #inner: BranchSession;
  readonly #transaction: MemoryTransaction | undefined;
  readonly #ended: () => void;
  #listener: ((reason: Reason) => void) | undefined;

  constructor(wire: EngineWire, session: Session, row: EvidenceRow, opened: Opened, ended: () => void) {
    const { inner, transaction } = opened;
    this.#wire = wire;
    this.#session = session;
    this.#tag = formatRow(row);
    this.#opening = row.opening;
    this.#inner = inner;
    this.#transaction = transaction;
    this.#ended = ended;
    inner.onLost((reason) => {
      const { host } = wire;
      host.world.after(wire.latency(), () =>
        host.enter(() => {
          session.lost = true;
          this.#listener?.(reason);
        }),
      );
    });
  }

  async execute(statement: Statement): Promise<StatementResult> {
    return await this.#call('execute', () => this.#inner.execute(statement));
  }

  async executeAndPrepare(statement: Statement): Promise<{ readonly result: StatementResult; readonly vote: Vote }> {
    const answer = await this.#call('last', async () => {
      const result = await this.#inner.execute(statement);
      return { result, vote: await this.#inner.prepare() };
    });
    this.#ended();
    return answer;
  }

  async prepare(): Promise<Vote> {
    try {
      return await this.#call('prepare', () => this.#inner.prepare());
    } catch (error) {
      return { kind: 'rollback', reason: reasonOf(error) };
    } finally {
      this.#ended();
    }
  }

  async askOnePhase(): Promise<OnePhaseResult> {
    // Known from the branch's last answer.
    return this.#session.lost || !this.#hasWritten
      ? await this.commitOnePhase()
      : { kind: 'has-written', evidence: rowEvidence(this.#opening) };
  }

  async commitOnePhase(): Promise<FinishResult> {
    const { engine } = this.#wire;
    try {
      return await this.#call('one-phase', async () => {
        const wrote = this.#hasWritten;
        const result = await this.#inner.commitOnePhase();
        if (wrote && result.kind === 'done') {
          engine.onFinish(this.#tag, 'one-phase');
        }
        return result;
      });
    } catch (error) {
      return { kind: 'unknown', reason: reasonOf(error) };
    } finally {
      this.#ended();
    }
  }

  /** Over a connection of its own, so that it overtakes what runs. */
  async rollback(): Promise<void> {
    try {
      await this.#wire.call('rollback', this.#wire.session(), () => this.#inner.rollback(), this.#tag);
    } catch {
      this.#giveUp();
    }
    this.#ended();
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#listener = listener;
  }

  get #hasWritten(): boolean {
    return (this.#transaction?.writes.size ?? 0) > 0;
  }

  async #call<T>(verb: string, action: () => Promise<T>): Promise<T> {
    if (this.#session.lost) {
      throw new EngineError(LOST, { sessionLost: true });
    }
    try {
      return await this.#wire.call(verb, this.#session, action, this.#tag);
    } catch (error) {
      if (error instanceof EngineError && error.sessionLost) {
        this.#giveUp();
      }
      throw error;
    }
  }

  /** The connection is destroyed; the engine ends the session when it notices. */
  #giveUp(): void {
    const { host } = this.#wire;
    this.#session.lost = true;
    this.#ended();
    host.world.after(host.chance.between(0, this.#wire.rates().noticeMs), () => void this.#inner.rollback());
  }
}

function reasonOf(error: unknown): Reason {
  return error instanceof EngineError ? error.reason : { code: 'INTERNAL', message: String(error), retryable: false };
}
