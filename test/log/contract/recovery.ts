// What the next life of a log finds: identity, epoch, and what is unfinished, in its order.
import { describe, expect, test } from 'vitest';
import { parseLogIdentity } from '../../../src/xa/xid.ts';
import { decided, finished, gtridOf, heuristic, operatorAction, registered } from '../records.ts';
import { type LogBench, useLog } from './bench.ts';

export function describeRecovery(name: string, openBench: () => Promise<LogBench>): void {
  describe(`${name} keeps the promises of the log`, () => {
    const life = useLog(openBench);

    test('a new log has an identity, its first epoch and nothing unfinished', () => {
      expect(parseLogIdentity(life.log.recovered.identity)).toBe(life.log.recovered.identity);
      expect(life.log.recovered).toMatchObject({ epoch: 1, unfinished: [], resources: [] });
      expect(life.log.status()).toMatchObject({ lastSequence: 1, forcedWrites: 1 });
    });

    test('each life has the same identity and a higher epoch', async () => {
      const { identity } = life.log.recovered;
      await life.reopen();
      expect(life.log.recovered).toMatchObject({ identity, epoch: 2 });
      await life.crashAndReopen();
      expect(life.log.recovered).toMatchObject({ identity, epoch: 3 });
    });

    test('a forced decision survives a crash and is recovered as it was written', async () => {
      const record = decided(gtridOf(life.log, 1), 'key-7');
      await life.log.append([record], 'forced');
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toEqual([record]);
      expect(life.log.outcome(record.gtrid)).toEqual({ kind: 'decided', record, finished: false, settled: false });
    });

    test('unfinished decisions are recovered in the order in which they were logged', async () => {
      const records = [5, 3, 9, 1].map((sequence) => decided(gtridOf(life.log, sequence)));
      await Promise.all(records.map((record) => life.log.append([record], 'forced')));
      await life.log.append([finished(gtridOf(life.log, 3))], 'forced');
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toEqual(records.filter((_, index) => index !== 1));
    });

    test('a finished decision is not recovered, and its outcome stays answerable', async () => {
      const record = decided(gtridOf(life.log, 1));
      await life.log.append([record], 'forced');
      await life.log.append([finished(record.gtrid)], 'lazy');
      await life.reopen();
      expect(life.log.recovered.unfinished).toEqual([]);
      expect(life.log.outcome(record.gtrid)).toEqual({ kind: 'decided', record, finished: true, settled: true });
    });

    test('the newest registration of a resource counts', async () => {
      await life.log.append([registered('accounts', 'system-1'), registered('orders', 'system-2')], 'forced');
      await life.log.append([registered('accounts', 'system-3')], 'forced');
      await life.crashAndReopen();
      expect(life.log.recovered.resources).toHaveLength(2);
      expect(life.log.recovered.resources).toContainEqual(registered('accounts', 'system-3'));
      expect(life.log.recovered.resources).toContainEqual(registered('orders', 'system-2'));
    });

    test('heuristic records and operator actions are recovered until they are forgotten', async () => {
      const gtrid = gtridOf(life.log, 1);
      const records = [decided(gtrid), heuristic(gtrid), finished(gtrid), operatorAction(gtrid, 'branch-committed')];
      for (const record of records) {
        await life.log.append([record], 'forced');
      }
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toEqual([heuristic(gtrid), operatorAction(gtrid, 'branch-committed')]);
      await life.log.append([operatorAction(gtrid, 'forget')], 'forced');
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toEqual([]);
      expect(life.log.history(gtrid)).toEqual([
        heuristic(gtrid),
        operatorAction(gtrid, 'branch-committed'),
        operatorAction(gtrid, 'forget'),
      ]);
    });

    test("an operator's rollback of what was never decided is history at once, and not unfinished", async () => {
      const gtrid = gtridOf(life.log, 1);
      await life.log.append([operatorAction(gtrid, 'rollback')], 'forced');
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toEqual([]);
      expect(life.log.history(gtrid)).toEqual([operatorAction(gtrid, 'rollback')]);
    });
  });
}
