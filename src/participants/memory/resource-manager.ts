// The adapter of the memory engine: for `concordat dev`, the simulator, and the contract suite's fastest run.
import type { Clock, Timer } from '../../lib/clock.ts';
import { SIDECAR_BRANCHES_MAX } from '../../xa/limits.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../xa/vocabulary.ts';
import { formatXid, type LogIdentity, parseXid, type Xid } from '../../xa/xid.ts';
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
} from '../resource-manager.ts';
import { evidenceOf, MemoryBranch } from './branch.ts';
import { callMemory, type MemoryConnection, unavailableReason } from './connection.ts';
import type { MemoryEngine, MemoryOutcome } from './engine.ts';
import { type MemoryFaults, NO_FAULTS } from './faults.ts';

/** How long `open` waits for a free session before it refuses. */
const OPEN_WAIT_MS = 1_000;

export interface MemoryResourceManagerOptions {
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
      this.#open.set(branch, formatXid(xid));
      return branch;
    });
  }

  commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return finishing(
      callMemory(this.#connection, { verb: 'commit', xid }, (): FinishResult => {
        const { engine } = this.#connection;
        if (engine.finish(formatXid(xid), 'commit')) {
          return { kind: 'done' };
        }
        const outcome = outcomeOf(engine, evidence);
        switch (outcome) {
          case 'committed':
            return { kind: 'done' };
          case 'aborted':
            return { kind: 'done-otherwise', proof: `${evidence} is recorded as aborted` };
          case 'in-progress':
            return { kind: 'not-yet', reason: unavailableReason('the branch is still at work') };
          default:
            return { kind: 'unproven', reason: unproven(xid) };
        }
      }),
    );
  }

  rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return finishing(
      callMemory(this.#connection, { verb: 'rollback', xid }, (): FinishResult => {
        const { engine } = this.#connection;
        engine.endSessions('the branch was rolled back', formatXid(xid));
        if (!engine.finish(formatXid(xid), 'rollback') && outcomeOf(engine, evidence) === 'committed') {
          return { kind: 'done-otherwise', proof: `${evidence} is recorded as committed` };
        }
        return { kind: 'done' };
      }),
    );
  }

  list(): Promise<readonly PreparedBranch[]> {
    return callMemory(this.#connection, { verb: 'list' }, () =>
      this.#connection.engine.prepared().map(({ id, transaction, preparedAtMs }) => ({
        xid: parseXid(id),
        raw: id.replace(/[^\x20-\x7e]/g, '?'),
        evidence: evidenceOf(transaction),
        ageMs: Math.max(0, this.#connection.clock.now() - preparedAtMs),
      })),
    );
  }

  async probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    const mine = [...this.#open.values()].includes(formatXid(xid));
    return await callMemory(this.#connection, { verb: 'probe', xid }, () => {
      const { engine } = this.#connection;
      if (!mine) {
        engine.endSessions('the session was fenced', formatXid(xid));
      }
      if (engine.prepared().some((prepared) => prepared.id === formatXid(xid))) {
        return 'prepared';
      }
      if (mine) {
        return 'active';
      }
      const outcome = outcomeOf(engine, evidence);
      return outcome === 'committed' ? 'committed' : outcome === 'aborted' ? 'rolled-back' : 'unproven';
    });
  }

  fence(xid: Xid): Promise<void> {
    return callMemory(this.#connection, { verb: 'fence', xid }, () =>
      this.#connection.engine.endSessions('the session was fenced', formatXid(xid)),
    );
  }

  async markers(): Promise<readonly Xid[]> {
    return [];
  }

  async forget(): Promise<void> {}

  async blockedSessions(xid: Xid): Promise<number> {
    const prepared = this.#connection.engine.prepared().find(({ id }) => id === formatXid(xid));
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
      const timer = this.#connection.clock.after(OPEN_WAIT_MS, () => {
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

function outcomeOf(engine: MemoryEngine, evidence: Evidence): MemoryOutcome | undefined {
  const number = /^memory:([1-9][0-9]{0,15})$/.exec(evidence)?.[1];
  return number === undefined ? undefined : engine.outcome(Number(number));
}

function unproven(xid: Xid): Reason {
  return {
    code: 'BRANCH_UNKNOWN',
    message: `the engine neither holds nor remembers ${formatXid(xid)}`,
    retryable: false,
  };
}
