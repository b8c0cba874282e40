// What participants tell of branches: the one desk where it comes in. It reaches its transaction, and answers count from whoever was asked;
// of a transaction that is not held it is judged what to make of it.
import { failpoint } from '../../lib/failpoint.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Log } from '../../log/log.ts';
import type { Gtrid, ResourceName } from '../../xa/xid.ts';
import type { Calls } from '../calls/calls.ts';
import type { Link } from '../calls/directory.ts';
import type { UnreachedBranches } from '../calls/unreached.ts';
import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../driver/registry.ts';
import type { CallAnswer, Event } from '../engine/event.ts';
import { type BranchReport, opened } from '../engine/reports.ts';
import { hearing } from '../engine/routing.ts';
import { presumedIn } from '../engine/state.ts';
import type { AbsentTransactions } from './absent.ts';
import type { Quarantine } from './quarantine.ts';

/** Everything that a participant may tell of a branch. */
type ParticipantEvent = BranchReport | CallAnswer | Extract<Event, { kind: 'one-phase-evidence' }>;

/** Who tells it: an instance of a resource's participant. */
type Speaker = Pick<Link, 'resource' | 'instance'>;

interface ReportsParts {
  readonly driver: Driver;
  readonly transactions: Registry;
  readonly calls: Calls;
  readonly unreached: UnreachedBranches;
  readonly absent: AbsentTransactions;
  readonly quarantine: Quarantine;
  readonly log: Log;
  readonly logger: EventLogger;
}

export class Reports {
  readonly #parts: ReportsParts;
  /** Of some lives decisions may be missing in the log, so that a person's word may stand for them. */
  readonly #hasLostLives: boolean;

  constructor(parts: ReportsParts) {
    this.#parts = parts;
    this.#hasLostLives = parts.log.recovered.lostTo !== undefined;
  }

  heard(gtrid: Gtrid, event: ParticipantEvent, from: Speaker): void {
    if (event.kind === 'branch-result') {
      this.#answered(gtrid, event, from);
      return;
    }
    const { driver, calls, absent } = this.#parts;
    const report = event.kind === 'one-phase-evidence' ? opened(event) : event;
    if (this.#hasLostLives && absent.followsWord(gtrid, report)) {
      return;
    }
    if (event.kind === 'vote') {
      calls.drop(gtrid, event.bqual, 'prepare');
    }
    if (!driver.heard(gtrid, event)) {
      absent.reported(gtrid, report, from.resource);
    }
  }

  /** A sidecar of the resource has told what its engine holds prepared, and which evidence rows it still keeps. */
  listed(resource: ResourceName, rows: readonly string[]): void {
    this.#parts.quarantine.listed(resource);
    this.#parts.absent.swept(resource, rows);
  }

  /** Calls that wait for a participant of this resource are made now. */
  attached(link: Link): void {
    this.#parts.calls.attached(link);
    this.#parts.unreached.attached(link);
  }

  detached(link: Link): void {
    this.#parts.calls.detached(link);
  }

  #answered(gtrid: Gtrid, answer: CallAnswer, from: Speaker): void {
    const { driver, calls, unreached, absent, transactions, logger } = this.#parts;
    const { resource, instance } = from;
    const { bqual, verb, result } = answer;
    const transaction = transactions.find(gtrid);
    const state = transaction?.state;
    const isAsked = calls.answeredBy(instance, gtrid, answer);
    const what = hearing(state, answer, { instance, isAsked });
    if (what === 'noted') {
      const message = `ignored: instance ${instance} of ${resource} answered ${result.kind} to a ${verb} that it was not asked for`;
      logger.error({ evt: 'unasked-result', txn: gtrid, branch: bqual, resource, instance, message });
    }
    if (what !== 'counts') {
      return;
    }
    if (verb === 'commit') {
      failpoint('first-commit-acknowledged');
    } else {
      unreached.answered(gtrid, bqual, result);
    }
    if (transaction === undefined || state === undefined) {
      absent.answered(gtrid, answer);
    } else if (presumedIn(state) === undefined) {
      driver.apply(transaction, answer);
    } else {
      const heard = absent.withoutFalseDamage(gtrid, state, answer);
      if (heard !== undefined) {
        driver.apply(transaction, heard);
      }
    }
  }
}
