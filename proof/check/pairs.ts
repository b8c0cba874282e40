// Two transactions. The engine's step is a function of one transaction's state, so that two of them meet in the log alone, and in what a
// start makes of it: that is checked here, for every two contents that one transaction may leave there, in every order.
import { Ledger } from '../../src/log/ledger.ts';
import type { LogRecord } from '../../src/log/record.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { describeRecord } from '../../test/engine/trace.ts';
import type { WorldReport } from './check.ts';
import type { Configuration } from './configuration.ts';
import { started } from './doors.ts';
import { explore } from './explore.ts';
import { GTRID, IDENTITY } from './names.ts';
import { PRODUCTION } from './protocol.ts';
import type { Logs } from './records.ts';
import { World } from './world.ts';

const OTHER = 'abcdefghij.1.2' as Gtrid;

type Records = readonly LogRecord[];

/** The name of this world. */
export const PAIRS = 'two transactions';

/** One branch is enough for every kind of record in every order: what a record names makes no difference to where it belongs. */
const PEOPLE: Configuration = {
  ...{ name: PAIRS, branches: 1, coordinatorCrashes: 1, participantCrashes: 0, lostAnswers: 0, sweeps: false },
  ...{ administrator: true, operator: true, evidenceLoss: false, eviction: false, otherClients: false, repeats: false },
  twoInstances: false,
};

export function checkPairs(): WorldReport {
  const begun = performance.now();
  const world = new World(PEOPLE, PRODUCTION);
  explore(world, {
    statesMax: Number.POSITIVE_INFINITY,
    violationsMax: Number.POSITIVE_INFINITY,
    onProgress: () => undefined,
  });
  const contents = contentsOf(world.logs);
  const others = contents.map((records) => renamed(records));
  const fates = contents.map((records) => fateOf(records, GTRID));
  let logs = 0;
  let trace: readonly string[] = [];
  for (const [first, one] of contents.entries()) {
    for (const [second, other] of others.entries()) {
      for (const order of interleavings(one, other)) {
        logs += 1;
        const isSame = fateOf(order, GTRID) === fates[first] && fateOf(order, OTHER) === renamed(fates[second]);
        if (!isSame && trace.length === 0) {
          const told = order.map(
            (record) => `    log: ${'gtrid' in record ? record.gtrid : ''} ${describeRecord(record)}`,
          );
          trace = [...told, '→ D7: of two transactions in one log, a start does not make what it makes of each alone'];
        }
      }
    }
  }
  const counts = { states: logs, transitions: logs, depth: 0, calmStates: 0, calmTransitions: 0 };
  const seconds = (performance.now() - begun) / 1_000;
  return { name: PAIRS, branches: 1, ...counts, seconds, isComplete: trace.length === 0, trace };
}

/** Each once. A crash leaves a prefix of the writes, so that these are all the contents that there are. */
function contentsOf(logs: Logs): readonly Records[] {
  const all = new Map<string, Records>();
  for (let log = 0; log < logs.size; log += 1) {
    const { durable } = logs.content(log);
    all.set(JSON.stringify(durable), durable);
  }
  return [...all.values()];
}

/** What the log and a start make of one transaction, in words. */
function fateOf(records: Records, gtrid: Gtrid): string {
  const ledger = new Ledger(IDENTITY);
  for (const [index, record] of records.entries()) {
    ledger.add({ sequence: index + 1, record }, { place: index + 1, epoch: 2 });
  }
  const unfinished = ledger.unfinished();
  return JSON.stringify([
    unfinished.filter((record) => 'gtrid' in record && record.gtrid === gtrid),
    started(unfinished).admitted.get(gtrid),
  ]);
}

/** Every order of both that keeps the order of each. */
function interleavings(one: Records, other: Records): readonly Records[] {
  const [first, ...rest] = one;
  const [second, ...others] = other;
  if (first === undefined || second === undefined) {
    return [[...one, ...other]];
  }
  return [
    ...interleavings(rest, other).map((tail) => [first, ...tail]),
    ...interleavings(one, others).map((tail) => [second, ...tail]),
  ];
}

/** The same of the other transaction. */
function renamed<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value).replaceAll(GTRID, OTHER));
}
