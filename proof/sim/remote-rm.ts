// A resource manager whose engine is at the other end of a wire: what an adapter of a real database is to its participant.
import { noOpening, noProof } from '../../src/participants/reasons.ts';
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
import { type EvidenceRow, formatRow, rowOf } from '../../src/xa/evidence.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../src/xa/vocabulary.ts';
import { formatXid, type LogIdentity, type Xid } from '../../src/xa/xid.ts';
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
    this.#wire.expectIdentity(identity);
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
    const row = { ...xid, opening: options.opening };
    const name = formatRow(row);
    const session = this.#wire.session();
    const { engine, server } = this.#wire;
    const there = async (): Promise<Opened> => {
      const inner = await server.open(xid, options);
      return { inner, transaction: engine.lastBegun };
    };
    const opened = await this.#wire.call('open', session, there, name);
    this.#open.add(name);
    return new RemoteBranch(this.#wire, session, row, opened, () => this.#open.delete(name));
  }

  commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const row = rowOf(xid, evidence);
    if (row === undefined) {
      return Promise.resolve({ kind: 'unproven', reason: noOpening(xid) });
    }
    const name = formatRow(row);
    const { engine } = this.#wire;
    return this.#finish('commit', name, () => {
      if (engine.finishFor(name, 'commit') || engine.isCommitted(name)) {
        return { kind: 'done' };
      }
      if (engine.isAtWork(name)) {
        return { kind: 'not-yet', reason: busy(name) };
      }
      return evidence.kind === 'row'
        ? { kind: 'done-otherwise', proof: `there is no row ${name}` }
        : { kind: 'unproven', reason: noProof(xid) };
    });
  }

  rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const name = nameOf(xid, evidence);
    const { engine } = this.#wire;
    return this.#finish('undo', name, () => {
      engine.endSessions('the branch was rolled back', name);
      const opening = engine.openingOf(name);
      if (opening?.isCommitted) {
        return { kind: 'done-otherwise', proof: `there is a row ${opening.id}` };
      }
      if (opening !== undefined) {
        engine.finishFor(opening.id, 'rollback');
      }
      return { kind: 'done' };
    });
  }

  list(): Promise<readonly PreparedBranch[]> {
    const { server } = this.#wire;
    return this.#control('list', () => server.list());
  }

  probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    const name = nameOf(xid, evidence);
    const { engine } = this.#wire;
    const isMine = [...this.#open].some((id) => isOf(id, name));
    const probe = (): BranchProof => {
      if (!isMine) {
        engine.endSessions('the session was fenced', name);
      }
      const opening = engine.openingOf(name);
      if (opening !== undefined) {
        return opening.isCommitted ? 'committed' : 'prepared';
      }
      return isMine ? 'active' : evidence.kind === 'row' ? 'rolled-back' : 'unproven';
    };
    return this.#control('probe', probe, name);
  }

  fence(xid: Xid, evidence: Evidence): Promise<void> {
    const name = nameOf(xid, evidence);
    return this.#control('fence', () => this.#wire.engine.endSessions('the session was fenced', name), name);
  }

  markers(identity: LogIdentity): Promise<readonly EvidenceRow[]> {
    const { server } = this.#wire;
    return this.#control('markers', () => server.markers(identity));
  }

  forget(rows: readonly EvidenceRow[]): Promise<void> {
    const { server } = this.#wire;
    return this.#control('forget', () => server.forget(rows), rows.map(formatRow).join(' '));
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

/** What the openings that are meant begin with. */
function nameOf(xid: Xid, evidence: Evidence): string {
  const row = rowOf(xid, evidence);
  return row === undefined ? formatXid(xid) : formatRow(row);
}

function isOf(id: string, name: string): boolean {
  return `${id}:`.startsWith(`${name}:`);
}

function busy(key: string): Reason {
  return { code: 'ENGINE_UNAVAILABLE', message: `the engine does not know ${key} just now`, retryable: true };
}
