// Where participants are heard and told, whatever transaction it is about: what they say reaches the one that is held, answers count from
// whoever was asked, and calls wait here for whoever is away.
import type { EventLogger } from '../../lib/logger.ts';
import type { EvidenceRow } from '../../xa/evidence.ts';
import { ORPHANS_MAX } from '../../xa/limits.ts';
import { type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { Calls } from '../calls/calls.ts';
import type { Link } from '../calls/directory.ts';
import type { EvidenceRows } from '../calls/evidence-rows.ts';
import type { UnreachedBranches } from '../calls/unreached.ts';
import type { Effect, Event } from '../engine/event.ts';
import { hearing } from '../engine/routing.ts';
import type { Registry } from './registry.ts';
import type { HeldTransaction } from './transaction.ts';

/** Who is heard: an instance of a resource's participant. */
export type Speaker = Pick<Link, 'resource' | 'instance'>;

/** What a participant answers to a call. */
export type CallAnswer = Extract<Event, { kind: 'branch-result' }>;

export interface DeskParts {
  readonly transactions: Registry;
  readonly calls: Calls;
  readonly unreached: UnreachedBranches;
  readonly evidence: EvidenceRows;
  readonly logger: EventLogger;
  readonly apply: (transaction: HeldTransaction, event: Event) => void;
}

export class Desk {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /** Its transaction hears what a participant tells of a branch. @returns whether it is held. */
  hear(gtrid: Gtrid, event: Event): boolean {
    const { transactions, calls, apply } = this.#parts;
    if (event.kind === 'vote') {
      calls.drop(gtrid, event.bqual, 'prepare');
    }
    const transaction = transactions.find(gtrid);
    if (transaction !== undefined) {
      apply(transaction, event);
    }
    return transaction !== undefined;
  }

  /** A participant answers a call. @returns whether that counts. Its transaction hears of it from the caller. */
  takes(gtrid: Gtrid, answer: CallAnswer, { resource, instance }: Speaker): boolean {
    const { transactions, calls, unreached, logger } = this.#parts;
    const { bqual, verb, result } = answer;
    const isAsked = calls.answeredBy(instance, gtrid, answer);
    const what = hearing(transactions.find(gtrid)?.state, answer, { instance, isAsked });
    if (what === 'noted') {
      const message = `ignored: instance ${instance} of ${resource} answered ${result.kind} to a ${verb} that it was not asked for`;
      logger.error({ evt: 'unasked-result', txn: gtrid, branch: bqual, resource, instance, message });
    }
    if (what !== 'counts') {
      return false;
    }
    unreached.answered(gtrid, bqual, result);
    return true;
  }

  /** No transaction waits for it. A participant that tells of more and answers nothing is not kept in mind of all of it. */
  tellOnce(gtrid: Gtrid, effects: readonly Effect[]): void {
    const { calls, transactions } = this.#parts;
    for (const effect of effects) {
      if (
        effect.kind === 'finish' &&
        this.unansweredAt(resourceOf(effect.bqual)) < transactions.liveCount + ORPHANS_MAX
      ) {
        calls.start(gtrid, effect);
      }
    }
  }

  /** An engine still keeps the row. */
  sawRow(row: EvidenceRow): void {
    this.#parts.evidence.seen(row);
  }

  /** Calls of one resource that are not answered. */
  unansweredAt(resource: ResourceName): number {
    return this.#parts.calls.sizeOf(resource);
  }

  /** Resources with such calls. */
  get resources(): number {
    return this.#parts.calls.resources;
  }

  /** Calls that wait for a participant of this resource are made now. */
  attached(link: Link): void {
    this.#parts.calls.attached(link);
    this.#parts.unreached.attached(link);
  }

  detached(link: Link): void {
    this.#parts.calls.detached(link);
  }
}
