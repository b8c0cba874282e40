// Which reports may still make a difference to the coordinator, from a state on, whatever else it hears until its process ends.
import type { Coordinators } from './coordinators.ts';
import type { Events } from './events.ts';

const ALL = -1;

/**
 * Exact, and for every version of the protocol: the steps themselves are asked, for every state that can follow by any event. Only
 * states in which everything is still possible are not looked at: there every report counts.
 */
export class Heed {
  readonly #coordinators: Coordinators;
  readonly #events: Events;
  /** By event: the branch and the bits of the messages that bring it; undefined: it is no report. */
  readonly #bits = new Map<number, { readonly branch: number; readonly bits: number }>();
  readonly #everything: readonly number[];
  readonly #known: (readonly number[] | undefined)[] = [];

  constructor(coordinators: Coordinators, events: Events) {
    this.#coordinators = coordinators;
    this.#events = events;
    this.#everything = events.reports.map(() => ALL);
    for (const { branch, mail, event } of events.allReports()) {
      const { bits } = this.#bits.get(event) ?? { bits: 0 };
      this.#bits.set(event, { branch, bits: bits | (1 << mail) }); // Rows are spelled alike: one event, two messages.
    }
  }

  /** By branch: a bit for each message of `MAIL` that counts. */
  of(coordinator: number): readonly number[] {
    const known = this.#known[coordinator];
    if (known !== undefined) {
      return known;
    }
    const { kind } = this.#coordinators.facts(coordinator);
    const isOpen = kind === 'none' || kind === 'active' || kind === 'preparing';
    const heeded = isOpen ? this.#everything : this.#closure(coordinator);
    this.#known[coordinator] = heeded;
    return heeded;
  }

  #closure(from: number): readonly number[] {
    const heeded = this.#everything.map(() => 0);
    const seen = new Set([from]);
    const queue = [from];
    for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
      for (let event = 0; event < this.#events.size; event += 1) {
        const { next, isNothing, problem } = this.#coordinators.react(state, event);
        const report = this.#bits.get(event);
        if (report !== undefined && (!isNothing || problem !== undefined)) {
          heeded[report.branch] = (heeded[report.branch] ?? 0) | report.bits;
        }
        if (!seen.has(next)) {
          seen.add(next);
          queue.push(next);
        }
      }
    }
    return heeded;
  }
}
