// What participants tell of branches: the one place where it comes in. It reaches its transaction; of one that is not held it is judged
// what to make of it.
import { failpoint } from '../../lib/failpoint.ts';
import type { Gtrid, ResourceName } from '../../xa/xid.ts';
import type { CallAnswer, Desk, Speaker } from '../driver/desk.ts';
import type { Registry } from '../driver/registry.ts';
import type { Event } from '../engine/event.ts';
import { type BranchReport, opened } from '../engine/reports.ts';
import { presumedIn } from '../engine/state.ts';
import type { AbsentTransactions } from './absent.ts';
import type { Quarantine } from './quarantine.ts';

/** Everything that a participant may tell of a branch. */
export type ParticipantEvent = BranchReport | CallAnswer | Extract<Event, { kind: 'one-phase-evidence' }>;

export interface ReportsParts {
  readonly desk: Desk;
  readonly transactions: Registry;
  readonly absent: AbsentTransactions;
  readonly quarantine: Quarantine;
}

export class Reports {
  readonly #parts: ReportsParts;

  constructor(parts: ReportsParts) {
    this.#parts = parts;
  }

  heard(gtrid: Gtrid, event: ParticipantEvent, from: Speaker): void {
    if (event.kind === 'branch-result') {
      this.#answered(gtrid, event, from);
      return;
    }
    const { desk, absent } = this.#parts;
    const report = event.kind === 'one-phase-evidence' ? opened(event) : event;
    if (!absent.followsWord(gtrid, report) && !desk.hear(gtrid, event)) {
      absent.reported(gtrid, report, from.resource);
    }
  }

  /** A sidecar of the resource has told what its engine holds prepared, and which evidence rows it still keeps. */
  listed(resource: ResourceName, rows: readonly string[]): void {
    this.#parts.quarantine.listed(resource);
    this.#parts.absent.swept(resource, rows);
  }

  #answered(gtrid: Gtrid, answer: CallAnswer, from: Speaker): void {
    const { desk, absent, transactions } = this.#parts;
    if (!desk.takes(gtrid, answer, from)) {
      return;
    }
    if (answer.verb === 'commit') {
      failpoint('first-commit-acknowledged');
    }
    const state = transactions.find(gtrid)?.state;
    if (state === undefined) {
      absent.answered(gtrid, answer);
    } else if (presumedIn(state) === undefined) {
      desk.hear(gtrid, answer);
    } else {
      desk.hear(gtrid, { ...answer, result: absent.withoutFalseDamage(gtrid, state, answer) });
    }
  }
}
