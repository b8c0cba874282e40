// A branch in the application's own connection, as the participant in the same process sees it.

import type { Clock } from '../../lib/clock.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../xa/vocabulary.ts';
import type { Xid } from '../../xa/xid.ts';
import { type BranchOptions, type BranchSession, EngineError } from '../resource-manager.ts';

/** The connection is lent to the participant from `begin` until `released`; in between the application executes on it. */
export interface ApplicationBranch extends BranchSession {
  /** Opens the branch. @throws {EngineError} nothing is open; the connection is the application's as before. */
  begin(): Promise<void>;
  /** Nothing that could prepare or commit it was asked for. */
  readonly isActive: boolean;
  /** Why nothing but the return to a savepoint is taken on it now; undefined: it takes statements. */
  readonly failure: Reason | undefined;
  /** How many transactions of the application's own are open on the connection. */
  readonly ownDepth: number;
  /** Executes savepoint statements of ours, in order, behind what the application has sent. @throws {EngineError} one of them was not done. */
  savepoint(texts: readonly string[]): Promise<void>;
  /**
   * The application has asked for the end and sends nothing more. A rollback that comes before frees the locks at once, but gives the
   * connection back only now: on a free connection the application's next statement would be committed by itself.
   */
  endWork(): void;
  /** The application was told how its transaction ended: a connection that need not be bound any longer is given back. */
  letGo(): void;
  /** Whether work of the branch was committed without the global transaction; undefined: it was not. Never rejects. */
  endedOutside(): Promise<EndedOutside | undefined>;
  /** What an error of the engine, as the driver throws it, means; undefined: it is none. */
  reasonOf(error: object): Reason | undefined;
  /** Resolves when the connection is the application's again, or is gone. Never rejects. */
  readonly released: Promise<void>;
  /**
   * `released`, and the engine does not take the connection for the branch's owner any more: whoever asks it of the branch before that would
   * end the application's session. Never rejects.
   */
  readonly unlocked: Promise<void>;
  /** Finishes the prepared branch in its own session. Undefined: another session has to be asked. Never rejects. */
  finish(verb: 'commit' | 'rollback'): Promise<FinishResult | undefined>;
}

/** Something that got past the gate ended the branch. `unproven`: nobody can say whether its work is committed. */
export interface EndedOutside {
  readonly kind: 'committed' | 'unproven';
  /** How that is known. */
  readonly proof: string;
}

/** What a branch asks of the participant's own connections when its own does not obey or cannot tell. */
export interface BranchTools {
  /** Ends the session of the branch and waits until it is gone. @throws {EngineError} */
  fence(): Promise<void>;
  /** @throws {EngineError} */
  probe(evidence: Evidence): Promise<BranchProof>;
  /** Never rejects. */
  rollbackPrepared(): Promise<FinishResult>;
}

/** How long a rollback waits behind the application's running statement before it is cancelled. */
export const OBEY_MS = 1_000;

/** What a branch is opened with. */
export interface LentSessionParts<Connection> {
  readonly connection: Connection;
  readonly xid: Xid;
  readonly options: BranchOptions;
  readonly tools: BranchTools;
  readonly clock: Clock;
}

export const BRANCH_ROLLED_BACK: Reason = {
  code: 'BRANCH_UNKNOWN',
  message: 'the branch was rolled back',
  retryable: true,
};

export const ENDED_BY_APPLICATION: Reason = {
  code: 'STATEMENT_REFUSED',
  message: 'the application ended the transaction on its connection itself',
  retryable: false,
};

/** Of a client of pg, which says so. */
export const OPEN_ALREADY: Reason = {
  code: 'BRANCH_STATE',
  message: 'the client has a transaction open; end it before it is enlisted',
  retryable: false,
};

/** How the vote of a branch explains that the application's own transaction on it has no end yet. */
export const LEFT_OPEN: Reason = {
  code: 'STATEMENT_REFUSED',
  message:
    'a transaction that the application began on the connection is still open. Next: commit it or roll it back before the global transaction ends',
  retryable: false,
};

/** What the application hears of a statement that comes when its branch was asked to prepare or to commit. */
export const ASKED_TO_END =
  'the end of the connection’s part was asked for. Next: send nothing more until commit() or rollback() has answered';

/** What the application hears of its statements once its transaction was rolled back under its hands. */
export function rolledBackWhy({ message }: Reason): string {
  return `the global transaction was rolled back: ${message}`;
}

/** Statements of an enlisted connection are executed by the application, never through the participant. */
export function notHere(): Promise<never> {
  const message = 'statements of this branch are executed by the application';
  return Promise.reject(new EngineError({ code: 'INTERNAL', message, retryable: false }, { sessionLost: false }));
}
