// Calls to participants that are not answered yet: where each was sent, and what becomes of it when that participant goes. Who is told, and
// when, is said by engine/routing.ts. Every resource stands alone: one that is down keeps its own calls waiting and nobody else's (D11).

import { assert } from '../../lib/assert.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { NO_EVIDENCE } from '../../xa/evidence.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { Effect, Event } from '../engine/event.ts';
import { afterSilence, again, routeOf } from '../engine/routing.ts';
import { CallTable, type OpenCall, type OpenCallName, openingCalled } from './call-table.ts';
import type { Directory, Link } from './directory.ts';

const TICK_MS = 250;

/** What an answer tells of its call. */
type Answered = Pick<Extract<Event, { kind: 'branch-result' }>, 'bqual' | 'verb' | 'evidence'>;

type Target = Extract<Effect, { kind: 'prepare' | 'finish' }>;

export class Calls {
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #emit: (gtrid: Gtrid, event: Event) => void;
  readonly #table = new CallTable();
  #timer: Timer | undefined;
  #closed = false;

  constructor(directory: Directory, clock: Clock, emit: (gtrid: Gtrid, event: Event) => void) {
    this.#directory = directory;
    this.#clock = clock;
    this.#emit = emit;
  }

  /** Sends the call now, or keeps it until somebody is there who may be told. A call that is under way is not doubled. */
  start(gtrid: Gtrid, target: Target): void {
    if (this.#closed) {
      return;
    }
    const verb = target.kind === 'prepare' ? 'prepare' : target.verb;
    const evidence = target.kind === 'finish' ? target.evidence : NO_EVIDENCE;
    const opening = openingCalled(verb, evidence, target.instance);
    const name = { gtrid, bqual: target.bqual, verb, opening } as const;
    const wanted = { verb, bqual: target.bqual, instance: target.instance, evidence } as const;
    const known = this.#table.get(name);
    if (known?.link !== undefined) {
      const what = again(known, wanted, this.#clock.now() - known.since);
      if (what === 'tells-evidence') {
        known.evidence = evidence;
        this.#send(known, known.link);
      }
      if (what !== 'replaces') {
        return;
      }
    }
    const call: OpenCall = {
      ...name,
      resource: resourceOf(target.bqual),
      instance: target.instance,
      evidence,
      link: undefined,
      asked: new Set([...(known?.asked ?? []), ...(this.#table.stragglers(name) ?? [])]),
      isAskedByClient: target.kind === 'prepare' && target.asked,
      since: this.#clock.now(),
    };
    this.#table.set(call);
    if (call.isAskedByClient) {
      call.link = this.#holder(call);
    }
    if (call.link === undefined) {
      this.#route(call);
    }
    this.#timer ??= this.#clock.after(TICK_MS, this.#tick);
  }

  /**
   * A participant answers: the call is over. An answer counts only from an instance that was asked, as each of two may be that were asked
   * one after the other (X7). @returns whether this one was.
   */
  answeredBy(instance: string, gtrid: Gtrid, { bqual, verb, evidence }: Answered): boolean {
    const name = { gtrid, bqual, verb, opening: openingCalled(verb, evidence, instance) };
    const named = this.#table.get(name);
    const call = named?.asked.has(instance)
      ? named
      : evidence.kind === 'none'
        ? this.#askedOf(instance, name)
        : undefined;
    if (call !== undefined) {
      call.asked.delete(instance);
      this.#table.end(call);
      return true;
    }
    return this.#table.stragglers(name)?.has(instance) ?? false;
  }

  /** A call for whichever opening, told to another instance than the one that opened it. */
  #askedOf(instance: string, { gtrid, bqual, verb }: OpenCallName): OpenCall | undefined {
    return this.#table.of(resourceOf(bqual)).find((call) => {
      return call.gtrid === gtrid && call.bqual === bqual && call.verb === verb && call.asked.has(instance);
    });
  }

  /** Nobody waits for the answer any more. */
  drop(gtrid: Gtrid, bqual: Bqual, verb: 'prepare' | 'commit-one-phase'): void {
    const call = this.#table.get({ gtrid, bqual, verb, opening: '' });
    if (call !== undefined) {
      this.#table.end(call);
    }
  }

  /** Resources with a call that is not answered. */
  get resources(): number {
    return this.#table.resources;
  }

  /** Calls of one resource that are not answered. */
  sizeOf(resource: ResourceName): number {
    return this.#table.sizeOf(resource);
  }

  /** The transaction needs no vote any more: prepares that still wait are dropped. */
  dropPrepare(gtrid: Gtrid, bqual: Bqual): void {
    this.drop(gtrid, bqual, 'prepare');
  }

  attached(link: Link): void {
    for (const call of this.#table.of(link.resource)) {
      if (call.link === undefined) {
        this.#route(call);
      }
    }
  }

  detached(link: Link): void {
    for (const call of this.#table.of(link.resource)) {
      if (call.link === link) {
        call.link = undefined;
        call.since = this.#clock.now();
        this.#route(call);
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#table.clear();
  }

  #route(call: OpenCall): void {
    const holder = this.#holder(call);
    const sidecar = this.#directory.sidecarOf(call.resource);
    const there = { isHolderThere: holder !== undefined, sidecar: sidecar?.instance };
    const route = routeOf(call, there, this.#clock.now() - call.since);
    switch (route.kind) {
      case 'to': {
        const link = this.#directory.linkOf(call.resource, route.instance);
        assert(link !== undefined, 'a call goes to somebody who is attached');
        this.#send(call, link);
        break;
      }
      case 'untold':
        this.#unanswered(call, false, route.reason);
        break;
      case 'waits':
        break;
    }
  }

  #holder({ instance, resource }: OpenCall): Link | undefined {
    return instance === undefined ? undefined : this.#directory.linkOf(resource, instance);
  }

  /** What it means is for the engine to say. */
  #unanswered(call: OpenCall, wasTold: boolean, reason: Reason): void {
    const { gtrid, bqual, verb, instance, evidence } = call;
    assert(verb !== 'prepare', 'a vote is asked for until nobody wants it any more');
    this.#table.end(call);
    this.#emit(gtrid, { kind: 'unanswered', verb, wasTold, bqual, instance, evidence, reason });
  }

  #send(call: OpenCall, link: Link): void {
    call.link = link;
    call.isAskedByClient = false;
    call.asked.add(link.instance);
    call.since = this.#clock.now();
    if (call.verb === 'prepare') {
      link.prepare(call.gtrid, call.bqual);
    } else {
      const opener = call.verb === 'commit-one-phase' ? call.instance : undefined;
      link.finish(call.gtrid, call.bqual, call.verb, call.evidence, opener);
    }
  }

  readonly #tick = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const call of this.#table.all()) {
      if (call.link === undefined) {
        this.#route(call);
      } else {
        this.#heardNothing(call, call.link, now - call.since);
      }
    }
    if (this.#table.resources > 0) {
      this.#timer ??= this.#clock.after(TICK_MS, this.#tick);
    }
  };

  #heardNothing(call: OpenCall, link: Link, agoMs: number): void {
    const what = afterSilence(call.verb, call.isAskedByClient, agoMs);
    if (what.kind === 'asks-again') {
      this.#send(call, link);
    } else if (what.kind === 'over') {
      this.#unanswered(call, true, what.reason);
    }
  }
}
