// What a branch asks of the session that it lives in. A session of ours answers it, and the connection that an application lends.
import type { Reason } from '../../../xa/vocabulary.ts';
import type { EngineError, Statement, StatementResult } from '../../resource-manager.ts';
import type { ResultList } from '../protocol/exchange.ts';
import type { MarkerState } from '../sql/texts.ts';

/** What `run` brings back: the statement's result, and the answer to the text behind it. */
export interface Ran {
  readonly result: StatementResult;
  readonly tail: ResultList;
}

/**
 * The session of one branch. Calls are made one at a time, except `giveUp`, which may overtake the others. Texts are ours, and in order:
 * the first that is refused ends them and is the answer's last result. An answer that does not come in time is lost with its session:
 * what was asked for rejects with an {EngineError} that says `sessionLost`.
 */
export interface MysqlSession {
  /** `CONNECTION_ID()`, as KILL takes it. */
  readonly id: number;
  /** `new`: the server knows nothing of the branch. `started`: it may. `over`: the session is not this branch's to work in any more. */
  readonly state: 'new' | 'started' | 'over';
  /** Something is under way, and whatever is asked now would stand behind it. */
  readonly isBusy: boolean;
  /**
   * One phase has to be made of two. MariaDB with its binary log acknowledges `XA COMMIT … ONE PHASE` before the engine's part of it is
   * durable: after a crash such a branch is back as prepared, and would be rolled back as one that nobody decided. Seen with 10.11.18.
   */
  readonly onePhaseIsVolatile: boolean;
  readonly marker: MarkerState;
  /** Somebody else may have ended the branch: what became of it only the engine can say. */
  readonly mayHaveEnded: boolean;
  /** The branch asked for locks that its application may rely on until the end, though it may have written nothing. */
  readonly takesLocks: boolean;
  /** False only if the engine shows that nothing was written, by whatever means. */
  hasWritten(): Promise<boolean>;
  /** At once if the session is lost already, or if the branch can only be rolled back. */
  whenLost(listener: ((reason: Reason) => void) | undefined): void;
  /**
   * A statement of the application, and `tail` behind it in the same write.
   * @throws {EngineError} the statement was refused or failed, or the branch with it; the branch can only be rolled back.
   */
  run(statement: Statement, tail: string | undefined): Promise<Ran>;
  /** Nothing but the end is asked of the branch from now on. Resolves with why it can only be rolled back. */
  settle(): Promise<EngineError | undefined>;
  /** @param place `last`: if all of them are carried out, nothing follows but `release`. */
  say(texts: readonly string[], place?: 'last'): Promise<ResultList>;
  /** XA END and XA ROLLBACK, the second whatever became of the first; resolves with the answer to the second. @param why it is done, for the application. */
  rollBack(texts: readonly [end: string, rollback: string], why: Reason): Promise<ResultList>;
  /** The branch, prepared, keeps its session: `say`, `release` and `abandon` are for its finisher. */
  keep(): void;
  /** The session needs the branch no more: it goes back to where it came from. */
  release(last: ResultList): void;
  /** What the session is in is not known any more: it ends. An application's own that is still heard goes back to the application. */
  abandon(): void;
  /** Ends the session and waits until the engine has rolled back what it had not prepared, if the engine can be asked. Never rejects. */
  giveUp(): Promise<void>;
}
