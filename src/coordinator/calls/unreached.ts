// Branches that a rolled-back transaction has given up unheard: silence ends it, so that one resource holds up no other (D11). They are
// asked for once more when somebody is there who can ask their engine (D4).
import { FifoMap } from '../../lib/fifo-map.ts';
import type { FinishResult } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import { finishEffect, isEnd } from '../engine/branches.ts';
import { givenUp } from '../engine/rolling-back.ts';
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
    for (const branch of givenUp(state)) {
      const resource = resourceOf(branch.bqual);
      const unreached = this.#byResource.get(resource) ?? new FifoMap(UNREACHED_MAX);
      this.#byResource.set(resource, unreached);
      unreached.set(keyOf(state.gtrid, branch.bqual), { gtrid: state.gtrid, branch });
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
    if (isEnd(result)) {
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
