// The adapter of the memory engine: for tests, the simulator, and the contract suite's fastest run.
import type { Clock, Timer } from '../../lib/clock.ts';
import { noOpening, noProof } from '../../participants/reasons.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type EngineIdentity,
  type KnownLog,
  type PreflightFinding,
  type PreparedBranch,
  type RecordedLife,
  type ResourceManager,
} from '../../participants/resource-manager.ts';
import { type EvidenceRow, formatRow, NO_EVIDENCE, parseRow, rowEvidence, rowOf } from '../../xa/evidence.ts';
import { SIDECAR_BRANCHES_MAX } from '../../xa/limits.ts';
import { POOL_WAIT_MS } from '../../xa/times.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../xa/vocabulary.ts';
import { formatXid, type LogIdentity, ownsGtrid, type Xid } from '../../xa/xid.ts';
import { MemoryBranch } from './branch.ts';
import { callMemory, type MemoryConnection, unavailableReason } from './connection.ts';
import type { MemoryEngine } from './engine.ts';
import { type MemoryFaults, NO_FAULTS } from './faults.ts';

interface MemoryResourceManagerOptions {
  /** The engine, or a function that says which one answers at the address now. */
  readonly engine: MemoryEngine | (() => MemoryEngine);
  readonly clock: Clock;
  /** Branches open at once. */
  readonly poolMax?: number;
  readonly faults?: MemoryFaults;
}

/** Disposing it ends its sessions and rolls back what they had not prepared; the engine goes on. */
export function openMemoryResourceManager(options: MemoryResourceManagerOptions): ResourceManager {
  return new MemoryResourceManager(options);
}

class MemoryResourceManager implements ResourceManager {
  readonly #connection: MemoryConnection;
  #expected: string | undefined;
  readonly #poolMax: number;
  readonly #open = new Map<MemoryBranch, string>();
  readonly #waiting: { readonly go: () => void; readonly refuse: () => void; readonly timer: Timer }[] = [];

  constructor(options: MemoryResourceManagerOptions) {
    const { engine, clock, faults = NO_FAULTS } = options;
    const expected = () => this.#expected;
    this.#connection = {
      get engine() {
        return typeof engine === 'function' ? engine() : engine;
      },
      get expected() {
        return expected();
      },
      clock,
      faults,
    };
    this.#poolMax = options.poolMax ?? SIDECAR_BRANCHES_MAX;
  }

  identify(): Promise<EngineIdentity> {
    return callMemory(this.#connection, { verb: 'identify' }, () => ({
      engine: 'memory',
      version: '1',
      identity: this.#connection.engine.identity,
    }));
  }

  expectIdentity(identity: string): void {
    this.#expected = identity;
    for (const branch of this.#open.keys()) {
      branch.expectIdentity(identity);
    }
  }

  async preflight(): Promise<readonly PreflightFinding[]> {
    await callMemory(this.#connection, { verb: 'preflight' }, () => undefined);
    return [];
  }

  async createTables(): Promise<void> {
    await callMemory(this.#connection, { verb: 'preflight' }, () => undefined);
  }

  showToken(instance: string, token: string): Promise<void> {
    return callMemory(
      this.#connection,
      { verb: 'show-token' },
      () => void this.#connection.engine.tokens.set(instance, token),
    );
  }

  readToken(instance: string): Promise<string | undefined> {
    return callMemory(this.#connection, { verb: 'read-token' }, () => this.#connection.engine.tokens.get(instance));
  }

  raiseEpoch(identity: LogIdentity, epoch: number, token: string, previous?: RecordedLife): Promise<RecordedLife> {
    return callMemory(this.#connection, { verb: 'raise-epoch' }, () =>
      this.#connection.engine.raiseEpoch(identity, epoch, token, previous),
    );
  }

  knownLogs(): Promise<readonly KnownLog[]> {
    return callMemory(this.#connection, { verb: 'known-logs' }, () => this.#connection.engine.knownLogs());
  }

  open(xid: Xid, options: BranchOptions): Promise<BranchSession> {
    return callMemory(this.#connection, { verb: 'open', xid }, async () => {
      if (this.#open.size >= this.#poolMax) {
        await this.#waitForSession();
      }
      const branch: MemoryBranch = new MemoryBranch(this.#connection, xid, options, () => {
        this.#open.delete(branch);
        const next = this.#waiting.shift();
        next?.timer.cancel();
        next?.go();
      });
      this.#open.set(branch, formatRow({ ...xid, opening: options.opening }));
      return branch;
    });
  }

  commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return finishing(
      callMemory(this.#connection, { verb: 'commit', xid }, (): FinishResult => {
        const { engine } = this.#connection;
        const row = rowOf(xid, evidence);
        if (row === undefined) {
          return { kind: 'unproven', reason: noOpening(xid) };
        }
        const name = formatRow(row);
        if (engine.finish(name, 'commit') || engine.isCommitted(name)) {
          return { kind: 'done' };
        }
        if (engine.isAtWork(name)) {
          return { kind: 'not-yet', reason: unavailableReason('the branch is still at work') };
        }
        return evidence.kind === 'row'
          ? { kind: 'done-otherwise', proof: `the engine has no row ${name}: it was rolled back` }
          : { kind: 'unproven', reason: noProof(xid) };
      }),
    );
  }

  rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return finishing(
      callMemory(this.#connection, { verb: 'rollback', xid }, (): FinishResult => {
        const { engine } = this.#connection;
        const name = nameOf(xid, evidence);
        engine.endSessions('the branch was rolled back', name);
        const opening = engine.openingOf(name);
        if (opening?.isCommitted) {
          return { kind: 'done-otherwise', proof: `the engine has the row ${opening.id}: it was committed` };
        }
        if (opening !== undefined) {
          engine.finish(opening.id, 'rollback');
        }
        return { kind: 'done' };
      }),
    );
  }

  list(): Promise<readonly PreparedBranch[]> {
    return callMemory(this.#connection, { verb: 'list' }, () =>
      this.#connection.engine.prepared().map(({ id, preparedAtMs }) => {
        const row = parseRow(id);
        return {
          xid: row === undefined ? undefined : { gtrid: row.gtrid, bqual: row.bqual },
          raw: id.replace(/[^\x20-\x7e]/g, '?'),
          evidence: row === undefined ? NO_EVIDENCE : rowEvidence(row.opening),
          ageMs: Math.max(0, this.#connection.clock.now() - preparedAtMs),
        };
      }),
    );
  }

  async probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    const name = nameOf(xid, evidence);
    const isMine = [...this.#open.values()].some((id) => isOf(id, name));
    return await callMemory(this.#connection, { verb: 'probe', xid }, () => {
      const { engine } = this.#connection;
      if (!isMine) {
        engine.endSessions('the session was fenced', name);
      }
      const opening = engine.openingOf(name);
      if (opening !== undefined) {
        return opening.isCommitted ? 'committed' : 'prepared';
      }
      return isMine ? 'active' : evidence.kind === 'row' ? 'rolled-back' : 'unproven';
    });
  }

  fence(xid: Xid, evidence: Evidence): Promise<void> {
    return callMemory(this.#connection, { verb: 'fence', xid }, () =>
      this.#connection.engine.endSessions('the session was fenced', nameOf(xid, evidence)),
    );
  }

  async markers(identity: LogIdentity): Promise<readonly EvidenceRow[]> {
    const rows = this.#connection.engine.evidence().flatMap((id) => parseRow(id) ?? []);
    return rows.filter(({ gtrid }) => ownsGtrid(identity, gtrid));
  }

  async forget(rows: readonly EvidenceRow[]): Promise<void> {
    for (const row of rows) {
      this.#connection.engine.forget(formatRow(row));
    }
  }

  async blockedSessions(xid: Xid): Promise<number> {
    const prepared = this.#connection.engine.prepared().find(({ id }) => isOf(id, formatXid(xid)));
    return prepared === undefined ? 0 : this.#connection.engine.locks.waitersOf(prepared.transaction);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { timer, refuse } of this.#waiting.splice(0)) {
      timer.cancel();
      refuse();
    }
    await Promise.all([...this.#open.keys()].map((branch) => branch.rollback()));
  }

  /** @throws {EngineError} LIMIT_CONNECTIONS */
  #waitForSession(): Promise<void> {
    return new Promise((go, reject) => {
      const message = `all ${this.#poolMax} sessions are busy`;
      const refuse = () =>
        reject(new EngineError({ code: 'LIMIT_CONNECTIONS', message, retryable: true }, { sessionLost: false }));
      const timer = this.#connection.clock.after(POOL_WAIT_MS, () => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        refuse();
      });
      const entry = { go, refuse, timer };
      this.#waiting.push(entry);
    });
  }
}

/** Turns a lost call into `unknown`: phase two never rejects. */
async function finishing(call: Promise<FinishResult>): Promise<FinishResult> {
  try {
    return await call;
  } catch (error) {
    const reason: Reason = error instanceof EngineError ? error.reason : unavailableReason(String(error));
    return { kind: 'unknown', reason };
  }
}

/** What the openings that are meant begin with. */
function nameOf(xid: Xid, evidence: Evidence): string {
  const row = rowOf(xid, evidence);
  return row === undefined ? formatXid(xid) : formatRow(row);
}

function isOf(id: string, name: string): boolean {
  return `${id}:`.startsWith(`${name}:`);
}
