// What a log answers of a transaction: its outcome, its history, silence that proves something, and silence that does not.
import { describe, expect, test } from 'vitest';
import { formatGtrid, parseLogIdentity } from '../../../src/xa/xid.ts';
import { eventually } from '../../support/eventually.ts';
import { complete, decided, finished, gtridOf, heuristic } from '../records.ts';
import { type LogBench, useLog } from './bench.ts';

export function describeOutcomes(name: string, openBench: () => Promise<LogBench>): void {
  describe(`${name} keeps the promises of the log`, () => {
    const life = useLog(openBench);

    test('outcome and history see records that are still queued', async () => {
      const gtrid = gtridOf(life.log, 1);
      const waiting = life.log.append([decided(gtrid), heuristic(gtrid)], 'forced');
      expect(life.log.outcome(gtrid)).toEqual({
        kind: 'decided',
        record: decided(gtrid),
        finished: false,
        settled: false,
      });
      expect(life.log.history(gtrid)).toEqual([heuristic(gtrid)]);
      await waiting;
    });

    test('a finished transaction is settled when its record is durable, in the history as well', async () => {
      const [gtrid, other] = [gtridOf(life.log, 1), gtridOf(life.log, 2)];
      await life.log.append([decided(gtrid)], 'forced');
      expect(life.log.outcome(gtrid)).toMatchObject({ settled: false });
      await life.log.append([finished(gtrid)], 'lazy');
      expect(life.log.outcome(gtrid)).toMatchObject({ finished: true, settled: false });
      await life.log.append([decided(other)], 'forced');
      expect(life.log.outcome(gtrid)).toMatchObject({ finished: true, settled: true });
      expect(life.log.outcome(other)).toMatchObject({ settled: false });
      for (let sequence = 100; sequence < 1_000; sequence += 1) {
        await life.log.append([decided(gtridOf(life.log, sequence)), finished(gtridOf(life.log, sequence))], 'lazy');
      }
      await life.reopen();
      expect(life.log.outcome(gtrid)).toMatchObject({ finished: true, settled: true });
      expect(life.log.outcome(other)).toMatchObject({ settled: false });
    });

    test('silence is an answer for ids of this log and its lives, and proves nothing for others', async () => {
      await life.reopen();
      expect(life.log.outcome(gtridOf(life.log, 99))).toEqual({ kind: 'silent' });
      expect(life.log.outcome(gtridOf(life.log, 99, 1))).toEqual({ kind: 'silent' });
      expect(life.log.outcome(gtridOf(life.log, 99, life.log.recovered.epoch + 1))).toEqual({ kind: 'expired' });
      const strangers = parseLogIdentity('aaaaaaaaaa') ?? life.log.recovered.identity;
      expect(life.log.outcome(formatGtrid({ identity: strangers, epoch: 1, sequence: 99 }))).toEqual({
        kind: 'expired',
      });
    });

    test('beyond the retained outcomes the answer is expired, and what is unfinished never expires', async () => {
      await life.log[Symbol.asyncDispose]();
      await life.open({ outcomesRetainedMax: 50 });
      const { epoch } = life.log.recovered;
      const open = [decided(gtridOf(life.log, 1)), heuristic(gtridOf(life.log, 2))];
      await life.log.append(open, 'forced');
      for (let from = 11; from < 1_011; from += 100) {
        await complete(life.log, from, from + 99);
      }
      await eventually('the oldest outcome expires', () => life.log.outcome(gtridOf(life.log, 11)).kind === 'expired');
      expect(life.log.outcome(gtridOf(life.log, 1_010))).toMatchObject({ kind: 'decided', finished: true });
      expect(life.log.outcome(gtridOf(life.log, 961))).toMatchObject({ kind: 'decided', finished: true });
      expect(life.log.outcome(gtridOf(life.log, 1))).toMatchObject({ kind: 'decided', finished: false });
      // Below the watermark silence proves nothing, above it something.
      expect(life.log.outcome(gtridOf(life.log, 10))).toEqual({ kind: 'expired' });
      expect(life.log.outcome(gtridOf(life.log, 5_000))).toEqual({ kind: 'silent' });
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toEqual(open);
      expect(life.log.outcome(gtridOf(life.log, 11, epoch))).toEqual({ kind: 'expired' });
      expect(life.log.outcome(gtridOf(life.log, 1_010, epoch))).toMatchObject({ kind: 'decided', finished: true });
      expect(life.log.outcome(gtridOf(life.log, 5_000, epoch))).toEqual({ kind: 'silent' });
    });
  });
}
