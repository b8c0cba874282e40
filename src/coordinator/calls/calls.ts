// Calls to participants that are not answered yet: where each was sent, and what becomes of it when that participant goes.
// Every resource stands alone: one that is down keeps its own calls waiting and nobody else's (D11).

import type { Clock, Timer } from '../../lib/clock.ts';
import type { ErrorCode } from '../../xa/errors.ts';
import { NO_EVIDENCE } from '../../xa/evidence.ts';
import { ASKED_VOTE_MS, CALL_ANSWER_MS, CALL_DOUBLED_MS, REROUTE_MS, UNTOLD_MS } from '../../xa/times.ts';
import type { FinishResult, Reason } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { Effect, Event } from '../engine/event.ts';
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

  /**
   * Sends the call now, or keeps it until a participant of its resource is there. A call that is under way is not doubled, and for a while
   * not even at another instance that has found the branch: two that finish one branch at once get into each other's way, and at MariaDB
   * the second would end the session in which the first is at work.
   */
  start(gtrid: Gtrid, target: Target): void {
    if (this.#closed) {
      return;
    }
    const verb = target.kind === 'prepare' ? 'prepare' : target.verb;
    const evidence = target.kind === 'finish' ? target.evidence : NO_EVIDENCE;
    const opening = openingCalled(verb, evidence, target.instance);
    const name = { gtrid, bqual: target.bqual, verb, opening } as const;
    const known = this.#table.get(name);
    if (known?.link !== undefined && verb === 'commit-one-phase') {
      if (known.instance === target.instance) {
        if (evidence.kind !== 'none') {
          // It was asked for without, and waits for this.
          known.evidence = evidence;
          this.#send(known, known.link);
        }
        return;
      }
      // Only now it is known who holds the branch, and nobody else must be told.
    } else if (known?.link !== undefined) {
      const isFresh = this.#clock.now() - known.since < CALL_DOUBLED_MS;
      if (known.instance === target.instance || isFresh) {
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
      call.link = this.#ownLink(call);
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
    const link = this.#ownLink(call) ?? this.#substitute(call);
    if (link !== undefined) {
      this.#send(call, link);
    } else if (call.verb === 'rollback') {
      // Nobody can be told. The sweep finds the branch if it is prepared; if it is not, its session or its deadline ends it.
      this.#conclude(call, unknown('no participant of the resource is attached'));
    }
  }

  #ownLink({ instance, resource }: OpenCall): Link | undefined {
    return instance === undefined ? undefined : this.#directory.linkOf(resource, instance);
  }

  /** Another instance for a call whose own is not attached: at once where that is harmless, later where its own may return. */
  #substitute(call: OpenCall): Link | undefined {
    const ownMayReturn = call.instance !== undefined && this.#clock.now() - call.since < REROUTE_MS;
    switch (call.verb) {
      case 'commit':
      case 'rollback':
        return this.#directory.sidecarOf(call.resource);
      case 'prepare':
        return ownMayReturn ? undefined : this.#directory.sidecarOf(call.resource);
      case 'commit-one-phase': {
        const sidecar = ownMayReturn ? undefined : this.#directory.sidecarOf(call.resource);
        if (sidecar !== undefined && call.evidence.kind === 'none' && call.instance !== undefined) {
          // The instance is gone, and with it the branch's session.
          this.#untold(call, 'BRANCH_UNKNOWN', 'its participant was restarted before the commit');
          return undefined;
        }
        return sidecar;
      }
    }
  }

  /** Nobody can be told to commit, as it looks from here: what that means is for the engine to say. */
  #untold(call: OpenCall, code: ErrorCode, message: string): void {
    const { gtrid, bqual, instance } = call;
    this.#table.end(call);
    const reason: Reason = { code, message: `${bqual}: ${message}`, retryable: true };
    this.#emit(gtrid, { kind: 'one-phase-untold', bqual, instance, reason });
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

  #conclude(call: OpenCall, result: FinishResult): void {
    if (call.verb === 'prepare') {
      return;
    }
    this.#table.end(call);
    const { gtrid, bqual, verb, evidence } = call;
    this.#emit(gtrid, { kind: 'branch-result', bqual, verb, evidence, result });
  }

  readonly #tick = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const call of this.#table.all()) {
      const waitedMs = now - call.since;
      if (call.link === undefined) {
        if (waitedMs >= UNTOLD_MS && call.verb === 'commit-one-phase' && call.evidence.kind === 'none') {
          this.#untold(call, 'RESOURCE_UNAVAILABLE', 'its participant is not attached');
        } else if (waitedMs >= REROUTE_MS) {
          this.#route(call);
        }
      } else if (waitedMs >= (call.isAskedByClient ? ASKED_VOTE_MS : CALL_ANSWER_MS)) {
        if (call.verb === 'prepare') {
          this.#send(call, call.link);
        } else {
          this.#conclude(call, unknown('the participant did not answer in time'));
        }
      }
    }
    if (this.#table.resources > 0) {
      this.#timer ??= this.#clock.after(TICK_MS, this.#tick);
    }
  };
}

function unknown(message: string): FinishResult {
  return { kind: 'unknown', reason: { code: 'RESOURCE_UNAVAILABLE', message, retryable: true } };
}
