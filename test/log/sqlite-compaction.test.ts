// Compaction against a model: whatever happens in which order, nothing that is needed is ever gone, and little else remains.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { verifySqliteLog } from '../../src/log/sqlite/backup/verify.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { complete, decided, finished, gtridOf, heuristic, operatorAction, registered } from './records.ts';
import { copyLog, openLog, scratchDirectory } from './sqlite-bench.ts';

let root: string;

beforeEach(async () => {
  root = await scratchDirectory();
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

interface Known {
  readonly gtrid: Gtrid;
  readonly decision: LogRecord;
  finished: boolean;
  readonly actions: LogRecord[];
}

function isOpen(known: Known): boolean {
  const last = known.actions.at(-1);
  return !known.finished || (last !== undefined && !(last.kind === 'operator-action' && last.action === 'forget'));
}

describe('compaction', () => {
  test.each([11, 12, 13])(
    'keeps all that is needed through any history of work and crashes (seed %i) (faults F10, conformance C11 C14)',
    async (seed) => {
      const retained = 40;
      const options = { compactAfter: 16, outcomesRetainedMax: retained, walPagesMax: 100 };
      let state = seed;
      const roll = (sides: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
        return Math.floor((state / 0x80000000) * sides);
      };
      let life = 1;
      let log: Log = await openLog(join(root, `life-${life}`), options);
      const model = new Map<Gtrid, Known>();
      const closedInOrder: Gtrid[] = [];
      let registrations = 0;
      let sequence = 0;

      async function act(): Promise<void> {
        const known = [...model.values()];
        const pick = known[roll(known.length)];
        const dice = roll(100);
        if (dice < 45 || pick === undefined) {
          // Ids are used in another order than they are given out.
          sequence += 1;
          const gtrid = gtridOf(log, sequence ^ 5);
          const decision = decided(gtrid);
          model.set(gtrid, { gtrid, decision, finished: false, actions: [] });
          await log.append([decision], 'forced');
        } else if (dice < 80) {
          const oldest = known.find((one) => !one.finished && roll(3) > 0);
          if (oldest !== undefined) {
            oldest.finished = true;
            await log.append([finished(oldest.gtrid)], 'lazy');
          }
        } else if (dice < 90) {
          const action = [heuristic(pick.gtrid), operatorAction(pick.gtrid, 'branch-committed')][roll(2)];
          if (action !== undefined && isOpen(pick)) {
            pick.actions.push(action);
            await log.append([action], 'forced');
          }
        } else if (dice < 97) {
          const action = operatorAction(pick.gtrid, 'forget');
          if (isOpen(pick) && pick.actions.length > 0) {
            pick.actions.push(action);
            await log.append([action], 'forced');
          }
        } else {
          registrations += 1;
          await log.append([registered('accounts', `system-${registrations}`)], 'forced');
        }
        for (const one of model.values()) {
          if (!isOpen(one)) {
            model.delete(one.gtrid);
            closedInOrder.push(one.gtrid);
          }
        }
      }

      async function restart(): Promise<void> {
        // A forced record first: what is lazy would otherwise be lost, and the model does not forget.
        await log.append([registered('orders', 'system-0')], 'forced');
        if (roll(2) === 0) {
          await log[Symbol.asyncDispose]();
        } else {
          await copyLog(join(root, `life-${life}`), join(root, `life-${life + 1}`));
          await log[Symbol.asyncDispose]();
          life += 1;
        }
        sequence = 0;
        log = await openLog(join(root, `life-${life}`), options);
      }

      function check(): void {
        const unfinished = new Set(log.recovered.unfinished.map((record) => JSON.stringify(record)));
        const expected = [...model.values()].flatMap((one) => {
          const forgotten = one.actions.at(-1)?.kind === 'operator-action' && !isOpen({ ...one, finished: true });
          return [...(one.finished ? [] : [one.decision]), ...(forgotten ? [] : one.actions)];
        });
        expect(unfinished).toEqual(new Set(expected.map((record) => JSON.stringify(record))));
        for (const one of model.values()) {
          expect(log.outcome(one.gtrid)).toMatchObject({
            kind: 'decided',
            record: one.decision,
            finished: one.finished,
          });
          expect(log.history(one.gtrid)).toEqual(one.actions);
        }
        for (const gtrid of closedInOrder.slice(-retained)) {
          expect(log.outcome(gtrid)).toMatchObject({ kind: 'decided', finished: true });
        }
        // Whatever is not answerable any more is expired: a closed transaction is never mistaken for one without a decision.
        expect(closedInOrder.filter((gtrid) => log.outcome(gtrid).kind === 'silent')).toEqual([]);
        expect(log.recovered.resources).toContainEqual(registered('accounts', `system-${registrations}`));
      }

      registrations += 1;
      await log.append([registered('accounts', `system-${registrations}`)], 'forced');
      for (let round = 0; round < 8; round += 1) {
        for (let step = 0; step < 90; step += 1) {
          await act();
        }
        await restart();
        check();
      }
      const { records } = log.status();
      await log[Symbol.asyncDispose]();
      expect(closedInOrder.length).toBeGreaterThan(150);
      expect(closedInOrder.length + 2 * model.size).toBeGreaterThan(records / 3);
      const verified = await verifySqliteLog(join(root, `life-${life}`));
      expect(verified.problems).toEqual([]);
      expect(verified.retainedOutcomes).toBeGreaterThan(0);
    },
    120_000, // Thousands of fsyncs, beside whatever else the machine does.
  );

  test('runs in small steps: the journal stays short while thousands of transactions pass', async () => {
    await using log = await openLog(join(root, 'data'), { compactAfter: 64, outcomesRetainedMax: 100 });
    for (let from = 1; from <= 4_000; from += 200) {
      await complete(log, from, from + 199);
    }
    await eventually('what is not retained is gone', () => log.status().records < 1_000);
    expect(log.outcome(gtridOf(log, 4_000))).toMatchObject({ kind: 'decided', finished: true });
  });

  test('also removes what newer records have replaced, when no transaction ever closes', async () => {
    const directory = join(root, 'data');
    const log = await openLog(directory, { compactAfter: 64 });
    const open = decided(gtridOf(log, 1));
    await log.append([open], 'forced');
    for (let turn = 1; turn <= 40; turn += 1) {
      const again = Array.from({ length: 25 }, (_, index) => registered('accounts', `system-${turn}-${index}`));
      await log.append(again, 'forced');
    }
    await log[Symbol.asyncDispose]();
    expect((await verifySqliteLog(directory)).journalRecords).toBeLessThan(100);
    await using next = await openLog(directory);
    expect(next.recovered).toMatchObject({ unfinished: [open], resources: [registered('accounts', 'system-40-24')] });
  });

  test('drops outcomes by age as well, and only those', async () => {
    const options = { compactAfter: 8, outcomesRetainedMs: 50 };
    const log = await openLog(join(root, 'data'), options);
    await log.append([decided(gtridOf(log, 1)), heuristic(gtridOf(log, 1))], 'forced');
    await complete(log, 11, 40);
    await eventually('the outcome is too old', async () => {
      await log.append([registered('accounts', 'system-1')], 'forced');
      return log.outcome(gtridOf(log, 11)).kind === 'expired';
    });
    await log[Symbol.asyncDispose]();
    await using next = await openLog(join(root, 'data'), options);
    expect(next.recovered.unfinished).toHaveLength(2);
  });
});

describe('a start', () => {
  test('with 10,000 unfinished decisions and 100,000 retained outcomes takes less than two seconds', {
    timeout: 120_000,
  }, async () => {
    const directory = join(root, 'data');
    const log = await openLog(directory);
    const batch = 1_000;
    for (let from = 1; from <= 100_000; from += batch) {
      await complete(log, from, from + batch - 1);
    }
    for (let from = 200_001; from <= 210_000; from += batch) {
      const numbers = Array.from({ length: batch }, (_, index) => from + index);
      await Promise.all(numbers.map((number) => log.append([decided(gtridOf(log, number))], 'forced')));
    }
    await log[Symbol.asyncDispose]();
    // Of CPU: a machine that is busy with something else takes longer, and that says nothing of the log.
    const before = process.cpuUsage();
    const next = await openLog(directory);
    const { user, system } = process.cpuUsage(before);
    expect(next.recovered.unfinished).toHaveLength(10_000);
    expect(next.outcome(gtridOf(next, 1_000, 1))).toMatchObject({ kind: 'decided', finished: true });
    await next[Symbol.asyncDispose]();
    expect((user + system) / 1_000).toBeLessThan(2_000);
  });
});
