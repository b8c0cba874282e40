// What production's doors answered, remembered: each is asked once for each event and each memory that it can be asked with.
import type { Outcome } from '../../src/xa/vocabulary.ts';
import type { Coordinators } from './coordinators.ts';
import {
  isBranchEvent,
  type Judged,
  judgedAnswer,
  type Memory,
  questioned,
  reported,
  restarted,
  type Swept,
  type SweptRow,
  sweptMarker,
  touchesForeign,
} from './doors.ts';
import type { Events } from './events.ts';
import { GTRID } from './names.ts';
import type { Protocol } from './protocol.ts';
import { NOTHING, type Reaction } from './reactions.ts';
import type { Logs } from './records.ts';

/** Where the coordinator stands when it is asked. */
export interface Standing {
  /** How often it was restarted. */
  readonly life: number;
  readonly log: number;
  /** By the flag `remembered`. */
  readonly remembered: number;
}

export interface EntrancesParts {
  readonly protocol: Protocol;
  readonly events: Events;
  readonly logs: Logs;
  readonly coordinators: Coordinators;
}

export class Entrances {
  readonly #parts: EntrancesParts;
  readonly #admissions = new Map<number, Reaction>();
  readonly #recoveries = new Map<number, Reaction>();
  readonly #judged = new Map<string, Judged>();
  readonly #swept = new Map<string, Swept>();
  readonly #asked = new Map<number, ReturnType<typeof questioned>>();

  constructor(parts: EntrancesParts) {
    this.#parts = parts;
  }

  /** The process has started again. */
  recover({ log }: Standing): Reaction {
    return remembered(this.#recoveries, log, () => {
      const { protocol, logs, coordinators } = this.#parts;
      const records = logs.unfinished(log);
      if (protocol.recovered !== undefined) {
        const step = records.length === 0 ? undefined : protocol.recovered(GTRID, records);
        return coordinators.enter(step ?? { state: undefined, effects: [] });
      }
      const { state, effects, problem } = restarted(records);
      const reaction = coordinators.enter({ state, effects });
      return { ...reaction, problem: reaction.problem ?? problem };
    });
  }

  /** An event of a transaction that is not held. */
  admit(number: number, standing: Standing): Reaction {
    const { life, log } = standing;
    const key = ((number * 4 + life) * 4 + standing.remembered) * 2 ** 20 + this.#parts.logs.outcomeNumber(log);
    return remembered(this.#admissions, key, () => {
      const { events, coordinators, protocol } = this.#parts;
      const event = events.get(number);
      if (!isBranchEvent(event)) {
        return { ...NOTHING, next: 0 };
      }
      const memory = this.#memory(standing);
      const reaction = coordinators.enter(protocol.admitted(reported(event, memory)));
      return { ...reaction, problem: reaction.problem ?? touchesForeign(event, memory) };
    });
  }

  /** A result of a transaction that was taken in only because a branch was found prepared. */
  judged(coordinator: number, number: number, standing: Standing): Judged {
    const key = `${coordinator} ${number} ${this.#key(standing)}`;
    return remembered(this.#judged, key, () => {
      const event = this.#parts.events.get(number);
      const { state } = this.#parts.coordinators.facts(coordinator);
      if (state === undefined || event.kind !== 'branch-result') {
        throw new Error('only results of a transaction that is held are judged');
      }
      return judgedAnswer(state, event, this.#memory(standing));
    });
  }

  /** A marker row is reported. */
  swept(row: SweptRow, coordinator: number, standing: Standing): Swept {
    const key = `${row.branch} ${row.opening} ${coordinator} ${this.#key(standing)}`;
    return remembered(this.#swept, key, () => {
      const { state } = this.#parts.coordinators.facts(coordinator);
      return sweptMarker(row, state, this.#memory(standing));
    });
  }

  /** How it ended, for somebody who names these branches. */
  asked(claimed: number, provers: number, standing: Standing): ReturnType<typeof questioned> {
    const { life, log } = standing;
    const who = (claimed * 8 + provers) * 16 + life * 4 + standing.remembered;
    return remembered(this.#asked, who * 2 ** 20 + this.#parts.logs.outcomeNumber(log), () =>
      questioned(claimed, provers, this.#memory(standing)),
    );
  }

  #key({ life, log, remembered }: Standing): string {
    return `${life} ${remembered} ${this.#parts.logs.outcomeNumber(log)}`;
  }

  #memory({ life, log, remembered }: Standing): Memory {
    const { logs } = this.#parts;
    return {
      logged: logs.outcome(log),
      epoch: life + 1,
      remembered: REMEMBERED[remembered],
    };
  }
}

/** By the flag `remembered`. */
export const REMEMBERED: readonly (Outcome | undefined)[] = [undefined, 'committed', 'rolled-back'];

function remembered<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) {
    return known;
  }
  const made = make();
  map.set(key, made);
  return made;
}
