// What one engine supplies so that the contract suite can be run on it: an adapter factory, a second pair of hands, its dialect.
import { systemRandom } from '../../../src/lib/random.ts';
import type {
  EngineIdentity,
  ResourceManager,
  SqlValue,
  Statement,
} from '../../../src/participants/resource-manager.ts';
import { type EvidenceRow, newOpening, rowOf } from '../../../src/xa/evidence.ts';
import type { Evidence } from '../../../src/xa/vocabulary.ts';
import {
  formatGtrid,
  type Gtrid,
  type LogIdentity,
  parseBqual,
  parseLogIdentity,
  type Xid,
} from '../../../src/xa/xid.ts';

export interface OpenOptions {
  /** Sessions for branches; the harness chooses something from 8 up when absent. */
  readonly poolMax?: number;
  /** How long statements wait for locks; the adapter's default when absent. */
  readonly lockTimeoutMs?: number;
  /** Reach the engine through this port of 127.0.0.1 instead of its own: a proxy that loses messages. */
  readonly port?: number;
}

/** One value that must come back as it went in: `statement` carries it as its parameter and answers it as the first column. */
export interface TypedCase {
  readonly name: string;
  readonly statement: Statement;
  readonly expected: SqlValue;
}

/** One engine under test. Keys are rows of a table that the harness has made: a short text and a 64-bit integer. */
export interface ContractHarness extends AsyncDisposable {
  readonly engine: EngineIdentity['engine'];
  /** A new life of the adapter on the same database, tables created. */
  open(options?: OpenOptions): Promise<ResourceManager>;

  /** SIGKILL to the server; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts the killed server again; resolves when it takes logins. */
  start(): Promise<void>;
  /** Ends every session that adapters hold, as an administrator would, and waits until they are gone. */
  endSessions(): Promise<void>;

  /** What another session reads of a row now; undefined: no such row. Never waits for locks. */
  committed(key: string): Promise<bigint | undefined>;
  /** Finishes a prepared branch, of which there is one opening, behind the adapter's back. */
  finishByHand(xid: Xid, verb: 'commit' | 'rollback'): Promise<void>;
  /**
   * Leaves prepared branches that are not in Concordat's grammar: another product's, and almost matching ones (one upper-case
   * letter, a missing part, a trailing character, another prefix or formatID). Answers how many.
   */
  prepareForeign(): Promise<number>;
  /** Rolls back what `prepareForeign` left; rejects if one of them is gone. */
  dropForeign(): Promise<void>;

  readonly sql: {
    put(key: string, value: bigint): Statement;
    add(key: string, amount: bigint): Statement;
    /** One row, the integer as first column; no row for an unknown key. */
    get(key: string): Statement;
    /** Always fails at the engine, for a reason that a repetition does not fix. */
    readonly failing: Statement;
    /** Runs for 20 seconds unless it is ended. */
    readonly slow: Statement;
    /** Answers `count` rows. */
    rows(count: number): Statement;
    /** Answers one row of about `count` bytes. */
    bytes(count: number): Statement;
    /** Transaction control and more than one statement. */
    readonly refused: readonly string[];
  };
  readonly typed: readonly TypedCase[];

  /** Present where there is a wire: how the engine is reached, and what a request contains that begins each verb. */
  readonly wire?: {
    readonly port: number;
    readonly prepare: string;
    readonly commit: string;
    readonly rollback: string;
    readonly onePhase: string;
  };
  readonly can: {
    /** `fence` finds the session that another life of the adapter left for a branch. */
    readonly fenceOtherLives: boolean;
    /** `blockedSessions` counts. */
    readonly tellBlocked: boolean;
  };
}

export function freshIdentity(): LogIdentity {
  const identity = parseLogIdentity(systemRandom.base32(10));
  if (identity === undefined) {
    throw new Error('base32 left its alphabet');
  }
  return identity;
}

/** The row that proves the commit of a branch with this evidence. */
export function rowOfBranch(branch: { readonly xid: Xid; readonly evidence: Evidence }): EvidenceRow {
  const row = rowOf(branch.xid, branch.evidence);
  if (row === undefined) {
    throw new Error(`not evidence of a row: ${branch.evidence.kind}`);
  }
  return row;
}

/** Another opening of a branch. */
export function freshRow(xid: Xid = freshXid()): EvidenceRow {
  return { ...xid, opening: newOpening(systemRandom) };
}

let sequence = 0;

export function freshGtrid(identity: LogIdentity = freshIdentity()): Gtrid {
  sequence += 1;
  return formatGtrid({ identity, epoch: 1, sequence });
}

/** A branch that no other test has: ids are never reused. */
export function freshXid(gtrid: Gtrid = freshGtrid(), bqual = 'accounts'): Xid {
  const parsed = parseBqual(bqual);
  if (parsed === undefined) {
    throw new Error(`not a bqual: ${bqual}`);
  }
  return { gtrid, bqual: parsed };
}

/** A row key that no other test has. */
export function freshKey(): string {
  return `k${systemRandom.base32(12)}`;
}

export { eventually as until } from '../../support/eventually.ts';
