// The calls that are not answered yet, by resource and name.

import { FifoMap } from '../../lib/fifo-map.ts';
import { type Evidence, NO_EVIDENCE, openingOf } from '../../xa/evidence.ts';
import { type Bqual, type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { Verb } from '../engine/event.ts';
import type { Link } from './directory.ts';

type CallVerb = Verb | 'prepare';

export interface OpenCallName {
  readonly gtrid: Gtrid;
  readonly bqual: Bqual;
  readonly verb: CallVerb;
  /** Of a rollback: which opening of the branch, as `openingCalled` tells it; of other calls there is one for a branch. */
  readonly opening: string;
}

/** Rollbacks of two openings are two calls. One of which the evidence is not known is told apart by the instance that opened it. */
export function openingCalled(verb: CallVerb, evidence: Evidence, instance: string | undefined): string {
  return verb !== 'rollback' ? '' : (openingOf(evidence) ?? `@${instance ?? ''}`);
}

export interface OpenCall extends OpenCallName {
  readonly resource: ResourceName;
  readonly instance: string | undefined;
  /** Of a commit in one phase it is learned while the call is under way; until then nobody commits. */
  evidence: Evidence;
  /** Where it is under way; undefined: it waits for a participant. */
  link: Link | undefined;
  /** The instances that were asked so far and have not answered. Only their answers count. */
  readonly asked: Set<string>;
  /** The client has asked in our place, and nothing was sent from here so far. */
  isAskedByClient: boolean;
  /** Monotonic time of the last send, or since when it waits. */
  since: number;
}

function nameOf({ verb, gtrid, bqual, opening }: OpenCallName): string {
  return `${verb}:${gtrid}:${bqual}:${opening}`;
}

/** Late answers come within seconds; without its place here one is asked for again. */
const STRAGGLERS_MAX = 10_000;

export class CallTable {
  readonly #byResource = new Map<ResourceName, Map<string, OpenCall>>();
  /** Of calls that are over: who was asked as well, and may answer yet. */
  readonly #stragglers = new FifoMap<string, Set<string>>(STRAGGLERS_MAX);

  /** Resources with a call that is not answered. */
  get resources(): number {
    return this.#byResource.size;
  }

  sizeOf(resource: ResourceName): number {
    return this.#byResource.get(resource)?.size ?? 0;
  }

  get(name: OpenCallName): OpenCall | undefined {
    return this.#byResource.get(resourceOf(name.bqual))?.get(nameOf(name));
  }

  /** In place of one of the same name. */
  set(call: OpenCall): void {
    let calls = this.#byResource.get(call.resource);
    if (calls === undefined) {
      calls = new Map();
      this.#byResource.set(call.resource, calls);
    }
    calls.set(nameOf(call), call);
  }

  delete(name: OpenCallName): void {
    const resource = resourceOf(name.bqual);
    const calls = this.#byResource.get(resource);
    if (calls?.delete(nameOf(name)) && calls.size === 0) {
      this.#byResource.delete(resource); // The name may be one that a client made up.
    }
  }

  /** Who may answer a call of this name yet, though it is over. */
  stragglers(name: OpenCallName): ReadonlySet<string> | undefined {
    return this.#stragglers.get(nameOf(name));
  }

  /** The call is over. Others that were asked may answer yet. */
  end(call: OpenCall): void {
    this.delete(call);
    if (call.verb === 'rollback' && call.evidence.kind === 'none') {
      for (const instance of call.asked) {
        this.#stragglers.set(
          nameOf({ ...call, opening: openingCalled('rollback', NO_EVIDENCE, instance) }),
          new Set([instance]),
        );
      }
    } else if (call.asked.size > 0 && call.verb !== 'prepare') {
      this.#stragglers.set(nameOf(call), call.asked);
    }
  }

  /** A copy: what is done with one of them may change the table. */
  of(resource: ResourceName): OpenCall[] {
    return [...(this.#byResource.get(resource)?.values() ?? [])];
  }

  all(): OpenCall[] {
    return [...this.#byResource.values()].flatMap((calls) => [...calls.values()]);
  }

  clear(): void {
    this.#byResource.clear();
  }
}
