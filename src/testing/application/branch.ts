// A branch of a test's database: the memory engine's own branch, whose statements are the application's and answer as they are told to.
import type { BranchSession, Statement, StatementResult } from '../../participants/resource-manager.ts';
import type { Reason, Vote } from '../../xa/vocabulary.ts';

/** What a branch asks of its database. */
interface StatementScripts {
  /** Executes within the branch: `run` is the memory engine's. */
  execute(run: (statement: Statement) => Promise<StatementResult>, statement: Statement): Promise<StatementResult>;
}

export class ScriptedBranch implements BranchSession {
  readonly #inner: BranchSession;
  readonly #scripts: StatementScripts;

  constructor(inner: BranchSession, scripts: StatementScripts) {
    this.#inner = inner;
    this.#scripts = scripts;
  }

  execute(statement: Statement): Promise<StatementResult> {
    return this.#scripts.execute((inner) => this.#inner.execute(inner), statement);
  }

  async executeAndPrepare(statement: Statement): Promise<{ readonly result: StatementResult; readonly vote: Vote }> {
    const result = await this.execute(statement);
    return { result, vote: await this.#inner.prepare() };
  }

  prepare(): Promise<Vote> {
    return this.#inner.prepare();
  }

  askOnePhase(): ReturnType<BranchSession['askOnePhase']> {
    return this.#inner.askOnePhase();
  }

  commitOnePhase(): ReturnType<BranchSession['commitOnePhase']> {
    return this.#inner.commitOnePhase();
  }

  rollback(): Promise<void> {
    return this.#inner.rollback();
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#inner.onLost(listener);
  }
}
