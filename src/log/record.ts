// What is durable: the records of the log, and nothing about how they are stored. Pure.
import type { Decision, Evidence } from '../xa/vocabulary.ts';
import type { Bqual, Gtrid, ResourceName } from '../xa/xid.ts';

/** A branch as its decision names it: enough to finish it, and to prove its end, after any restart. */
export interface DecidedBranch {
  readonly bqual: Bqual;
  readonly evidence: Evidence;
}

/** How one branch ended against the decision, or could not be proven to have ended with it. */
export interface Damage {
  readonly bqual: Bqual;
  readonly kind: 'rolled-back' | 'committed' | 'unproven';
  /** What the engine, or the operator who vouches, says. */
  readonly proof: string;
}

/** Who let another engine take the place of a resource's former one, and why. */
export interface Acceptance {
  /** The identity of the engine that it was until then. */
  readonly former: string;
  readonly operator: string;
  readonly reason: string;
  readonly requestId: string;
  readonly wallTime: number;
}

/** Who began a transaction, as its client says of itself. For people: nothing is decided by it. */
export interface Whose {
  readonly application: string;
  readonly host: string;
  readonly user: string;
  /** The client's own token, or its connection. */
  readonly session: string;
}

/** When and by whom a transaction was begun and decided, by the coordinator's clock: milliseconds since 1970. */
export interface Origin {
  readonly beganAt: number;
  readonly decidedAt: number;
  readonly whose?: Whose;
}

export interface LifeName {
  readonly epoch: number;
  /** Empty: a life of format 1 or 2. */
  readonly token: string;
}

/** Whether an operator has let the name go with this record: the file has an empty identity for it. */
export function isLetGo({ engineIdentity }: Extract<LogRecord, { kind: 'resource-registered' }>): boolean {
  return engineIdentity === '';
}

export type LogRecord =
  /** First record of every life of the log. The newest counts. */
  | {
      readonly kind: 'epoch-started';
      readonly epoch: number;
      readonly version: string;
      readonly wallTime: number;
      /** Tells this life from those of copies with the same epoch. Absent in formats 1 and 2. */
      readonly token?: string;
      /** The lives before it, oldest first, as far as they are kept: whose log a database has served last is judged by these. */
      readonly earlier?: readonly LifeName[];
    }
  /**
   * A resource is known by its engine's identity, not its address. The newest record of a name counts. With an empty identity an operator
   * has let the name go.
   */
  | {
      readonly kind: 'resource-registered';
      readonly resource: ResourceName;
      readonly engine: string;
      readonly engineIdentity: string;
      /** An operator accepted this engine in the place of another one. Absent: it registered itself, as the first of its name. */
      readonly accepted?: Acceptance;
    }
  /** A database has served a life that is not this log's: it is a copy, refused from now on until a person adopts it. Forced. */
  | {
      readonly kind: 'life-refused';
      readonly resource: ResourceName;
      /** The life that was served there. */
      readonly epoch: number;
      readonly token: string;
      readonly wallTime: number;
    }
  /** A person has taken a copy for the log: of lives up to `lostTo` decisions may be missing here. Forced, before its effect. */
  | {
      readonly kind: 'log-adopted';
      readonly lostTo: number;
      readonly operator: string;
      readonly reason: string;
      readonly requestId: string;
      readonly wallTime: number;
    }
  /** The decision to commit. Forced, before any branch is told (D1). Rollbacks leave no record: presumed abort. */
  | {
      readonly kind: 'decided';
      readonly gtrid: Gtrid;
      readonly branches: readonly DecidedBranch[];
      /** Branches that only read and have ended with their votes: they are part of what was committed. Absent: none. */
      readonly readOnly?: readonly Bqual[];
      /** Branches that the commit request did not name, since they had been enlisted. Absent: it named every one. */
      readonly unnamed?: readonly Bqual[];
      /** For operators, over restarts. Absent: written before there was this. */
      readonly origin?: Origin;
      /** The idempotency key of the commit request; empty: none. */
      readonly requestId: string;
    }
  /** Every branch of a decided transaction is accounted for. Lazy: losing it only repeats harmless work. */
  | { readonly kind: 'finished'; readonly gtrid: Gtrid }
  /** A branch ended against the decision, or its end was not provable. Forced; stays until it is forgotten (D4). */
  | {
      readonly kind: 'heuristic';
      readonly gtrid: Gtrid;
      readonly decision: Decision;
      readonly damage: readonly Damage[];
    }
  /** What an operator did and why. Forced, before its effect. */
  | {
      readonly kind: 'operator-action';
      readonly gtrid: Gtrid;
      readonly action: 'rollback' | 'commit' | 'branch-committed' | 'branch-rolled-back' | 'forget';
      readonly bqual?: Bqual;
      readonly operator: string;
      readonly reason: string;
      readonly requestId: string;
      readonly wallTime: number;
    };

export type LogRecordKind = LogRecord['kind'];

/** What the log knows of a transaction that is not open any more. */
export type LoggedOutcome =
  | {
      readonly kind: 'decided';
      readonly record: Extract<LogRecord, { kind: 'decided' }>;
      readonly finished: boolean;
      /** It is finished durably: no start recovers it. Otherwise its finished record may still be lost with the process. */
      readonly settled: boolean;
    }
  /** No decision, and none was ever removed that could have been its: presumed abort may speak. */
  | { readonly kind: 'silent' }
  /** Older than the retained outcomes: silence proves nothing. */
  | { readonly kind: 'expired' };
