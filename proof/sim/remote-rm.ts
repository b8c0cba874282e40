// A resource manager whose engine is at the other end of a wire: what an adapter of a real database is to its participant.
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
} from '../../src/participants/resource-manager.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../src/xa/vocabulary.ts';
import { formatXid, type LogIdentity, ownsGtrid, parseXid, type Xid } from '../../src/xa/xid.ts';
import { type Opened, RemoteBranch } from './remote-branch.ts';
import type { EngineWire } from './wire-to-engine.ts';

export class RemoteResourceManager implements ResourceManager {
  readonly #wire: EngineWire;
  /** Branches whose sessions this adapter still holds. */
  readonly #open = new Set<string>();

  constructor(wire: EngineWire) {
    this.#wire = wire;
  }

  identify(): Promise<EngineIdentity> {
    return this.#control('identify', () => this.#wire.server.identify());
  }

  expectIdentity(identity: string): void {
    this.#wire.server.expectIdentity(identity);
  }

  preflight(): Promise<readonly PreflightFinding[]> {
    return this.#control('preflight', () => []);
  }

  async createTables(): Promise<void> {}

  showToken(instance: string, token: string): Promise<void> {
    return this.#control('show', () => this.#wire.server.showToken(instance, token), instance);
  }

  readToken(instance: string): Promise<string | undefined> {
    return this.#control('read-token', () => this.#wire.server.readToken(instance), instance);
  }

  raiseEpoch(identity: LogIdentity, epoch: number, token: string, previous?: RecordedLife): Promise<RecordedLife> {
    return this.#control(
      'epoch',
      () => this.#wire.server.raiseEpoch(identity, epoch, token, previous),
      `${identity}.${epoch}`,
    );
  }

  knownLogs(): Promise<readonly KnownLog[]> {
    return this.#control('logs', () => this.#wire.server.knownLogs());
  }

  async open(xid: Xid, options: BranchOptions): Promise<BranchSession> {
    const key = formatXid(xid);
    const session = this.#wire.session();
    const { engine, server } = this.#wire;
    const there = async (): Promise<Opened> => {
      const inner = await server.open(xid, options);
      return { inner, transaction: engine.lastBegun };
    };
    const opened = await this.#wire.call('open', session, there, key);
    this.#open.add(key);
    return new RemoteBranch(this.#wire, session, key, opened, () => this.#open.delete(key));
  }

  commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const key = formatXid(xid);
    const { engine } = this.#wire;
    return this.#finish('commit', key, () => {
      if (engine.finishFor(key, 'commit')) {
        return { kind: 'done' };
      }
      switch (engine.proof(key, evidence)) {
        case 'committed':
          return { kind: 'done' };
        case 'aborted':
          return { kind: 'done-otherwise', proof: `${evidence} is recorded as aborted` };
        case 'in-progress':
          return { kind: 'not-yet', reason: busy(key) };
        default:
          return { kind: 'unproven', reason: { ...busy(key), code: 'BRANCH_UNKNOWN' } };
      }
    });
  }

  rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const key = formatXid(xid);
    const { engine } = this.#wire;
    return this.#finish('undo', key, () => {
      engine.endSessions('the branch was rolled back', key);
      const isOver = engine.finishFor(key, 'rollback');
      return !isOver && engine.proof(key, evidence) === 'committed'
        ? { kind: 'done-otherwise', proof: `${evidence || 'its evidence row'} is recorded as committed` }
        : { kind: 'done' };
    });
  }

  list(): Promise<readonly PreparedBranch[]> {
    const { engine, host } = this.#wire;
    return this.#control('list', () =>
      engine.prepared().map(({ id, transaction, preparedAtMs }) => ({
        xid: parseXid(id),
        raw: id,
        evidence: engine.evidenceOf(transaction),
        ageMs: Math.max(0, host.world.now - preparedAtMs),
      })),
    );
  }

  probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    const key = formatXid(xid);
    const { engine } = this.#wire;
    const isMine = this.#open.has(key);
    const probe = (): BranchProof => {
      if (!isMine) {
        engine.endSessions('the session was fenced', key);
      }
      if (engine.isPrepared(key)) {
        return 'prepared';
      }
      const proof = engine.proof(key, evidence);
      return isMine || proof === 'in-progress' ? 'active' : proof === 'aborted' ? 'rolled-back' : (proof ?? 'unproven');
    };
    return this.#control('probe', probe, key);
  }

  fence(xid: Xid): Promise<void> {
    const key = formatXid(xid);
    return this.#control('fence', () => this.#wire.engine.endSessions('the session was fenced', key), key);
  }

  markers(identity: LogIdentity): Promise<readonly Xid[]> {
    const { engine } = this.#wire;
    return this.#control('markers', () =>
      [...engine.markers.keys()]
        .filter((key) => engine.marker(key) === 'committed')
        .map(parseXid)
        .filter((xid): xid is Xid => xid !== undefined && ownsGtrid(identity, xid.gtrid)),
    );
  }

  forget(xids: readonly Xid[]): Promise<void> {
    const { engine } = this.#wire;
    const keys = xids.map(formatXid);
    return this.#control(
      'forget',
      () => {
        for (const key of keys) {
          engine.forget(key);
        }
      },
      keys.join(' '),
    );
  }

  async blockedSessions(): Promise<number> {
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wire.close();
  }

  #control<T>(verb: string, action: () => T | Promise<T>, tag?: string): Promise<T> {
    return this.#wire.call(verb, this.#wire.session(), action, tag);
  }

  /** Phase two never rejects, and an adapter may know of trouble that is none. */
  async #finish(verb: string, key: string, action: () => FinishResult): Promise<FinishResult> {
    const { chance } = this.#wire.host;
    const isFalse = chance.happens(this.#wire.rates().falseUnknown);
    try {
      return await this.#control(
        verb,
        () => (isFalse ? { kind: chance.happens(0.5) ? 'not-yet' : 'unknown', reason: busy(key) } : action()),
        key,
      );
    } catch (error) {
      const reason: Reason = error instanceof EngineError ? error.reason : { ...busy(key), message: String(error) };
      return { kind: 'unknown', reason };
    }
  }
}

function busy(key: string): Reason {
  return { code: 'ENGINE_UNAVAILABLE', message: `the engine does not know ${key} just now`, retryable: true };
}
