// Prepared branches of rolled-back transactions of which nobody could be told, or nobody has answered. Silence ends the transaction, so
// that one resource holds up no other (D11); but somebody may have committed such a branch by hand meanwhile, and a branch that is not
// prepared any more is in no list. So its engine is asked once more when it is back (D4).
import { FifoMap } from '../../lib/fifo-map.ts';
import type { FinishResult } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import { finishEffect } from '../engine/branches.ts';
import type { FinishingBranch, State } from '../engine/state.ts';
import type { Calls } from './calls.ts';
import type { Link } from './directory.ts';

/** Of each resource; as many as there are completed transactions that can still hear of damage. */
const UNREACHED_MAX = 10_000;

interface Unreached {
  readonly gtrid: Gtrid;
  readonly branch: FinishingBranch;
}

export class UnreachedBranches {
  readonly #calls: Calls;
  readonly #byResource = new Map<ResourceName, FifoMap<string, Unreached>>();

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** Notes what `state` has given up. */
  note(state: State): void {
    if (state.kind !== 'completed' || state.decision !== 'rollback') {
      return;
    }
    for (const branch of state.branches) {
      // One of which only its opening is known had not voted: nothing could have been committed by hand.
      if (branch.status.kind === 'swept' && branch.evidence.kind === 'row') {
        const resource = resourceOf(branch.bqual);
        const unreached = this.#byResource.get(resource) ?? new FifoMap(UNREACHED_MAX);
        this.#byResource.set(resource, unreached);
        unreached.set(keyOf(state.gtrid, branch.bqual), { gtrid: state.gtrid, branch });
      }
    }
  }

  /** Somebody is there who can ask the engine. */
  attached({ resource, kind }: Link): void {
    if (kind === 'sidecar') {
      for (const { gtrid, branch } of this.#byResource.get(resource)?.values() ?? []) {
        this.#calls.start(gtrid, finishEffect(branch, 'rollback'));
      }
    }
  }

  answered(gtrid: Gtrid, bqual: Bqual, result: FinishResult): void {
    if (result.kind === 'done' || result.kind === 'done-otherwise') {
      const resource = resourceOf(bqual);
      const unreached = this.#byResource.get(resource);
      unreached?.delete(keyOf(gtrid, bqual));
      if (unreached?.size === 0) {
        this.#byResource.delete(resource);
      }
    }
  }
}

function keyOf(gtrid: Gtrid, bqual: Bqual): string {
  return `${gtrid}:${bqual}`;
}
