// Judges what is left when every fault is healed: what the applications were told against what the databases hold.
import type { Told } from './reports.ts';

/** One transaction's row at one side. */
export interface Entry {
  readonly id: string;
  readonly gtrid: string;
  /** The sides that should have it, joined with `+`. */
  readonly group: string;
  readonly lane: number;
  /** Its place in the order of its lane, as this side counted it. */
  readonly n: number;
}

/** All of one database. */
export interface Books {
  readonly side: string;
  readonly entries: readonly Entry[];
  /** By `group/lane`: how many transactions wrote there. */
  readonly counters: ReadonlyMap<string, number>;
  readonly money: number;
}

export interface Violation {
  readonly kind:
    | 'torn' // on some of its sides only
    | 'lost' // told committed, and not there
    | 'revived' // told rolled back, and there
    | 'order' // the sides disagree about the order of a lane, or a place is taken twice or not at all
    | 'counter' // a counter is not what was written
    | 'money' // the total has changed
    | 'unseen' // told applied, and the next read did not see it
    | 'heuristic' // damage that nobody did
    | 'contradiction' // the coordinator says afterwards otherwise than what was told or what is there
    | 'stuck' // something had not ended when all was healed
    | 'left' // a prepared branch or a process is left
    | 'process' // a program ended by itself
    | 'log' // the log does not verify
    | 'operator' // a mistake by hand did not end as recorded damage
    | 'history'; // a database came back without its newest history, and that was not told as what it is
  readonly why: string;
}

/** @param money what all sides hold together. */
export function judge(sides: readonly Books[], told: readonly Told[], money: number): readonly Violation[] {
  const at = new Map(sides.map(({ side, entries }) => [side, new Map(entries.map((entry) => [entry.id, entry]))]));
  return [
    ...tornEntries(sides, at),
    ...disorder(sides),
    ...told.flatMap((one) => brokenPromises(one, at)),
    ...miscounted(sides),
    ...(sides.reduce((sum, side) => sum + side.money, 0) === money
      ? []
      : [
          {
            kind: 'money',
            why: `the sides hold ${sides.map((side) => side.money).join(' + ')}, not ${money}`,
          } as const,
        ]),
  ];
}

type Shelves = ReadonlyMap<string, ReadonlyMap<string, Entry>>;

function tornEntries(sides: readonly Books[], at: Shelves): readonly Violation[] {
  const all = new Map(sides.flatMap(({ entries }) => entries.map((entry) => [entry.id, entry] as const)));
  return [...all.values()].flatMap((entry): readonly Violation[] => {
    const wanted = entry.group.split('+');
    const has = sides.filter(({ side }) => at.get(side)?.has(entry.id) === true).map(({ side }) => side);
    if (wanted.length !== has.length || wanted.some((side) => !has.includes(side))) {
      const why = `${entry.id} (${entry.gtrid}) of ${entry.group} is at ${has.join(' and ')} only`;
      return [{ kind: 'torn', why }];
    }
    const places = new Set(has.map((side) => at.get(side)?.get(entry.id)?.n));
    return places.size === 1
      ? []
      : [{ kind: 'order', why: `${entry.id} (${entry.gtrid}) has the places ${[...places].join(' and ')}` }];
  });
}

/** Each lane of a side has the places 1, 2, 3 … once. */
function disorder(sides: readonly Books[]): readonly Violation[] {
  return sides.flatMap(({ side, entries }) =>
    [...Map.groupBy(entries, laneOf)].flatMap(([lane, members]): readonly Violation[] => {
      const places = members.map(({ n }) => n).sort((a, b) => a - b);
      const wrong = places.find((n, index) => n !== index + 1);
      return wrong === undefined ? [] : [{ kind: 'order', why: `${side}, lane ${lane}: place ${wrong} is wrong` }];
    }),
  );
}

function brokenPromises(told: Told, at: Shelves): readonly Violation[] {
  const sides = told.group.split('+');
  const has = sides.filter((side) => at.get(side)?.has(told.id) === true);
  const name = `${told.id} (${told.gtrid ?? 'never begun'}, ${told.way}) of ${told.group}`;
  const found: Violation[] = [];
  if (told.unseen !== undefined) {
    found.push({ kind: 'unseen', why: `${name} was told to be applied, and a read at ${told.unseen} did not see it` });
  }
  switch (told.answer) {
    case 'committed':
      if (has.length < sides.length) {
        found.push({ kind: 'lost', why: `${name} was committed, and is at ${has.join(' and ') || 'no side'}` });
      }
      break;
    case 'rolled-back':
      if (has.length > 0) {
        const why = `${name} was rolled back (${told.code ?? ''}), and is at ${has.join(' and ')}`;
        found.push({ kind: 'revived', why });
      }
      break;
    case 'heuristic':
      found.push({ kind: 'heuristic', why: `${name} was told to have ended in damage` });
      break;
    case 'unknown':
      break; // Torn or not is judged of every entry.
  }
  return found;
}

/** A counter is the number of entries of its lane, so that it is also equal on all sides where these are. */
function miscounted(sides: readonly Books[]): readonly Violation[] {
  return sides.flatMap(({ side, entries, counters }) => {
    const written = Map.groupBy(entries, laneOf);
    return [...counters].flatMap(([lane, n]): readonly Violation[] => {
      const count = written.get(lane)?.length ?? 0;
      return n === count ? [] : [{ kind: 'counter', why: `${side}, lane ${lane}: ${n} counted, ${count} there` }];
    });
  });
}

function laneOf({ group, lane }: Entry): string {
  return `${group}/${lane}`;
}
