// What a log tells of the past: what people did, and what was committed, wherever it keeps it.
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { complete, decided, finished, gtridOf, heuristic, operatorAction, resourceName } from '../records.ts';
import { type LogBench, useLog } from './bench.ts';

export function describePast(name: string, openBench: () => Promise<LogBench>): void {
  describe(`${name} keeps the promises of the log`, () => {
    const life = useLog(openBench);

    test('the origin of a decision comes back as it was written', async () => {
      const whose = { application: 'shop', host: 'web-3', user: 'deploy', session: 'abc' };
      const records = [
        { ...decided(gtridOf(life.log, 1)), origin: { beganAt: 1, decidedAt: 2, whose } },
        { ...decided(gtridOf(life.log, 2)), origin: { beganAt: 1, decidedAt: 3 } },
      ];
      await life.log.append(records, 'forced');
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toEqual(records);
    });

    test('what is finished is told by the time of its decision, the newest first, from the history as well', async () => {
      const past = [1, 2, 3].map((sequence) => {
        const origin = { beganAt: 1, decidedAt: Date.now() + sequence * 1_000 };
        return { ...decided(gtridOf(life.log, sequence)), origin };
      });
      await life.log.append([...past, finished(gtridOf(life.log, 1)), finished(gtridOf(life.log, 2))], 'forced');
      const [first, second] = past;
      expect(life.log.finished(0, 10)).toEqual([second, first]);
      expect(life.log.finished(0, 1)).toEqual([second]);
      expect(life.log.finished(second?.origin.decidedAt ?? 0, 10)).toEqual([second]);
      for (let from = 100; from < 1_000; from += 100) {
        await complete(life.log, from, from + 99);
      }
      await life.reopen();
      expect(life.log.finished(0, 10)).toEqual([second, first]);
    });

    test('what people did stays, when it was forgotten, moved to the history, or taken back by a later act', async () => {
      const gtrid = gtridOf(life.log, 1);
      const accepted = { former: 'a', operator: 'ada', reason: 'upgraded', requestId: 'r', wallTime: 5 };
      const orders = { kind: 'resource-registered', resource: resourceName('orders'), engine: 'mysql' } as const;
      const acts = [
        operatorAction(gtrid, 'branch-committed'),
        operatorAction(gtrid, 'forget'),
        { ...orders, engineIdentity: 'b', accepted },
        { ...orders, engineIdentity: '', accepted: { ...accepted, former: 'b', requestId: 's', wallTime: 6 } },
      ];
      const newest = { ...orders, engineIdentity: 'c' };
      await life.log.append([decided(gtrid), heuristic(gtrid), finished(gtrid), ...acts, newest], 'forced');
      expect(life.log.acts().map(({ record }) => record)).toEqual(acts);
      for (let from = 100; from < 1_000; from += 100) {
        await complete(life.log, from, from + 99);
      }
      await eventually('it stays', () => life.log.acts().length === acts.length);
      await life.reopen();
      expect(life.log.acts().map(({ record }) => record)).toEqual(acts);
      expect(life.log.recovered.resources).toEqual([newest]);
    });
  });
}
