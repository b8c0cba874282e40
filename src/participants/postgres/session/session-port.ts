// What a branch needs of the session that it works in: one of the adapter's own, or the application's connection for the time of a loan.
import type { Reason } from '../../../xa/vocabulary.ts';
import type { BatchLimits, BatchOutcome, BatchRequest, BatchStep, BlockStatus, StepResult } from '../protocol/batch.ts';
import type { BranchEnd, SessionState } from './session-state.ts';

export interface BatchOptions {
  readonly limits?: BatchLimits;
  /** A later answer counts as lost; a session of our own is destroyed. */
  readonly timeoutMs?: number;
}

/** Which server process serves a session; both together are never reused. */
export interface Backend {
  readonly pid: number;
  readonly startedAt: string;
}

export interface SessionEnd {
  readonly reason: Reason;
  /** We ended it ourselves, by `destroy`, `close` or a limit; false: the engine, the network, or silence. */
  readonly deliberate: boolean;
  /** An answer did not come in time: whatever else goes the same way may be as dead without knowing it. */
  readonly silent: boolean;
}

export interface PgBranchSession {
  readonly state: SessionState;
  readonly backend: Backend;
  /** Its own limit on idling inside a transaction; a branch with another one sets it. Undefined: every branch does. */
  readonly idleTimeoutMs: number | undefined;
  /** Neither lost nor destroyed. */
  readonly usable: boolean;
  /** Something runs in it. */
  readonly busy: boolean;
  /** As the engine told with its last answer. */
  readonly status: BlockStatus;
  /** A setting that the server tells by itself with the answer that changed it; undefined: none has. */
  reported(setting: 'application_name' | 'client_encoding'): string | undefined;
  /** Called when the session, or the branch's transaction in it, ended without the branch; instead of the listener before. */
  setUser(listener: ((end: SessionEnd) => void) | undefined): void;
  /** One round trip, behind whatever the application has asked for. Never rejects. */
  run(request: BatchRequest, options?: BatchOptions): Promise<BatchOutcome>;
  /** The branch comes to its end, and nobody else speaks in its transaction any more. Why it is not the branch's: undefined: it is. */
  takeOver(): Promise<Reason | undefined>;
  /** Cuts off what runs. True: nothing does any more, and the session is as good as before. Never rejects. */
  stop(): Promise<boolean>;
  /** Sent behind what ends the transaction, in the same round trip. */
  behindEnd(end: BranchEnd): readonly BatchStep[];
  /** By the answers to the steps of `behindEnd`: whoever uses the session next finds nothing of the branch. */
  isCleanBy(steps: readonly BatchStep[], results: readonly StepResult[]): boolean;
  /** Cuts the connection: the engine rolls back what is not prepared as soon as it notices. */
  destroy(): void;
}
