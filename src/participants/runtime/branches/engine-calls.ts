// What the engine's steps ask of the database, and its answers as events. Never rejects but for a broken invariant.
import { failpoint } from '../../../lib/failpoint.ts';
import type { Evidence } from '../../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../../xa/xid.ts';
import type { CallName } from '../../engine/call.ts';
import type { BranchEvent, CallEvent } from '../../engine/event.ts';
import { reasonOf } from '../../reasons.ts';
import type { ResourceManager } from '../../resource-manager.ts';
import { PreparedListing } from './prepared-listing.ts';

export class EngineCalls {
  readonly #rm: ResourceManager;
  readonly #listing: PreparedListing;

  constructor(rm: ResourceManager) {
    this.#rm = rm;
    this.#listing = new PreparedListing(rm);
  }

  async commit(xid: Xid, call: CallName, evidence: Evidence): Promise<CallEvent> {
    failpoint('before-commit');
    const result = await this.#rm.commit(xid, evidence);
    failpoint('after-commit');
    return { kind: 'finished', call, result };
  }

  async rollback(xid: Xid, call: CallName, evidence: Evidence): Promise<CallEvent> {
    return { kind: 'finished', call, result: await this.#rm.rollback(xid, evidence) };
  }

  async probe(xid: Xid, call: CallName, evidence: Evidence): Promise<CallEvent> {
    try {
      return { kind: 'probed', call, proof: await this.#rm.probe(xid, evidence) };
    } catch (error) {
      return { kind: 'probe-failed', call, reason: reasonOf(error) };
    }
  }

  async list(xid: Xid): Promise<BranchEvent> {
    try {
      return { kind: 'listed', prepared: (await this.#listing.read()).get(formatXid(xid)) ?? [] };
    } catch (error) {
      return { kind: 'list-failed', reason: reasonOf(error) };
    }
  }
}
