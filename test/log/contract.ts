// What every log promises, whatever it stores its records on. One suite, run by each implementation's test file.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../src/log/log.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { formatGtrid, parseLogIdentity } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { complete, decided, finished, gtridOf, heuristic, operatorAction, registered } from './records.ts';

export interface LogBench extends AsyncDisposable {
  /** Opens a log on this bench's storage. The bench closes it in the end. */
  open(options?: { readonly outcomesRetainedMax?: number }): Promise<Log>;
  /** The process of the open log dies as by SIGKILL: what follows finds what it left on the storage. */
  crash(): Promise<void>;
  /** The next forced append fails, and nobody can tell whether it is there. */
  failNextForce(): Promise<void>;
  /** A name for a backup that does not exist yet. */
  backupPath(): string;
  /** Opens a log on a backup, apart from the original, which may go on; again on the same after it was closed. */
  openBackup(path: string, options?: { readonly outcomesRetainedMax?: number }): Promise<Log>;
}

export function describeLogContract(name: string, openBench: () => Promise<LogBench>): void {
  describe(`${name} keeps the promises of the log`, () => {
    let bench: LogBench;
    let log: Log;

    beforeEach(async () => {
      bench = await openBench();
      log = await bench.open();
    });

    afterEach(async () => {
      await bench[Symbol.asyncDispose]();
    });

    async function reopen(): Promise<void> {
      await log[Symbol.asyncDispose]();
      log = await bench.open();
    }

    async function crashAndReopen(): Promise<void> {
      await bench.crash();
      log = await bench.open();
    }

    test('a new log has an identity, its first epoch and nothing unfinished', () => {
      expect(parseLogIdentity(log.recovered.identity)).toBe(log.recovered.identity);
      expect(log.recovered).toMatchObject({ epoch: 1, unfinished: [], resources: [] });
      expect(log.status()).toMatchObject({ lastSequence: 1, forcedWrites: 1 });
    });

    test('each life has the same identity and a higher epoch', async () => {
      const { identity } = log.recovered;
      await reopen();
      expect(log.recovered).toMatchObject({ identity, epoch: 2 });
      await crashAndReopen();
      expect(log.recovered).toMatchObject({ identity, epoch: 3 });
    });

    test('a forced decision survives a crash and is recovered as it was written', async () => {
      const record = decided(gtridOf(log, 1), 'key-7');
      await log.append([record], 'forced');
      await crashAndReopen();
      expect(log.recovered.unfinished).toEqual([record]);
      expect(log.outcome(record.gtrid)).toEqual({ kind: 'decided', record, finished: false, settled: false });
    });

    test('unfinished decisions are recovered in the order in which they were logged', async () => {
      const records = [5, 3, 9, 1].map((sequence) => decided(gtridOf(log, sequence)));
      await Promise.all(records.map((record) => log.append([record], 'forced')));
      await log.append([finished(gtridOf(log, 3))], 'forced');
      await crashAndReopen();
      expect(log.recovered.unfinished).toEqual(records.filter((_, index) => index !== 1));
    });

    test('a finished decision is not recovered, and its outcome stays answerable', async () => {
      const record = decided(gtridOf(log, 1));
      await log.append([record], 'forced');
      await log.append([finished(record.gtrid)], 'lazy');
      await reopen();
      expect(log.recovered.unfinished).toEqual([]);
      expect(log.outcome(record.gtrid)).toEqual({ kind: 'decided', record, finished: true, settled: true });
    });

    test('a lazy record is durable with the next forced one', async () => {
      const record = decided(gtridOf(log, 1));
      await log.append([record], 'forced');
      await log.append([finished(record.gtrid)], 'lazy');
      await log.append([decided(gtridOf(log, 2))], 'forced');
      await crashAndReopen();
      expect(log.recovered.unfinished).toEqual([decided(gtridOf(log, 2, 1))]);
    });

    test('a lazy record does not wait for a disk, and is durable by itself within a second and a bit', async () => {
      const before = log.status();
      await log.append([decided(gtridOf(log, 1))], 'lazy');
      expect(log.status().lastSequence).toBe(before.lastSequence);
      await eventually('the lazy record is durable', () => log.status().lastSequence > before.lastSequence, 4_000);
      expect(log.status().forcedWrites).toBe(before.forcedWrites);
      await crashAndReopen();
      expect(log.recovered.unfinished).toHaveLength(1);
    });

    test('one forced append of a lone caller is one forced write', async () => {
      const before = log.status().forcedWrites;
      for (const sequence of [1, 2, 3]) {
        await log.append([decided(gtridOf(log, sequence))], 'forced');
      }
      expect(log.status().forcedWrites - before).toBe(3);
    });

    test('appends of one turn of the event loop share one forced write', async () => {
      const before = log.status().forcedWrites;
      const appends = Array.from({ length: 50 }, (_, index) =>
        log.append([decided(gtridOf(log, index + 1))], 'forced'),
      );
      await Promise.all(appends);
      expect(log.status().forcedWrites - before).toBe(1);
    });

    test('records are numbered in the order of the calls, whatever their durability', async () => {
      const { lastSequence } = log.status();
      void log.append([decided(gtridOf(log, 1))], 'lazy');
      const forced = log.append([decided(gtridOf(log, 2)), decided(gtridOf(log, 3))], 'forced');
      void log.append([finished(gtridOf(log, 2))], 'lazy');
      await forced;
      expect(log.status().lastSequence).toBeGreaterThanOrEqual(lastSequence + 3);
      await crashAndReopen();
      expect(log.recovered.unfinished.slice(0, 2)).toContainEqual(decided(gtridOf(log, 1, 1)));
    });

    test('the newest registration of a resource counts', async () => {
      await log.append([registered('accounts', 'system-1'), registered('orders', 'system-2')], 'forced');
      await log.append([registered('accounts', 'system-3')], 'forced');
      await crashAndReopen();
      expect(log.recovered.resources).toHaveLength(2);
      expect(log.recovered.resources).toContainEqual(registered('accounts', 'system-3'));
      expect(log.recovered.resources).toContainEqual(registered('orders', 'system-2'));
    });

    test('heuristic records and operator actions are recovered until they are forgotten', async () => {
      const gtrid = gtridOf(log, 1);
      const records = [decided(gtrid), heuristic(gtrid), finished(gtrid), operatorAction(gtrid, 'branch-committed')];
      for (const record of records) {
        await log.append([record], 'forced');
      }
      await crashAndReopen();
      expect(log.recovered.unfinished).toEqual([heuristic(gtrid), operatorAction(gtrid, 'branch-committed')]);
      await log.append([operatorAction(gtrid, 'forget')], 'forced');
      await crashAndReopen();
      expect(log.recovered.unfinished).toEqual([]);
      expect(log.history(gtrid)).toEqual([
        heuristic(gtrid),
        operatorAction(gtrid, 'branch-committed'),
        operatorAction(gtrid, 'forget'),
      ]);
    });

    test("an operator's rollback of what was never decided is history at once, and not unfinished", async () => {
      const gtrid = gtridOf(log, 1);
      await log.append([operatorAction(gtrid, 'rollback')], 'forced');
      await crashAndReopen();
      expect(log.recovered.unfinished).toEqual([]);
      expect(log.history(gtrid)).toEqual([operatorAction(gtrid, 'rollback')]);
    });

    test('outcome and history see records that are still queued', async () => {
      const gtrid = gtridOf(log, 1);
      const waiting = log.append([decided(gtrid), heuristic(gtrid)], 'forced');
      expect(log.outcome(gtrid)).toEqual({ kind: 'decided', record: decided(gtrid), finished: false, settled: false });
      expect(log.history(gtrid)).toEqual([heuristic(gtrid)]);
      await waiting;
    });

    test('a finished transaction is settled when its record is durable, in the history as well', async () => {
      const [gtrid, other] = [gtridOf(log, 1), gtridOf(log, 2)];
      await log.append([decided(gtrid)], 'forced');
      expect(log.outcome(gtrid)).toMatchObject({ settled: false });
      await log.append([finished(gtrid)], 'lazy');
      expect(log.outcome(gtrid)).toMatchObject({ finished: true, settled: false });
      await log.append([decided(other)], 'forced');
      expect(log.outcome(gtrid)).toMatchObject({ finished: true, settled: true });
      expect(log.outcome(other)).toMatchObject({ settled: false });
      for (let sequence = 100; sequence < 1_000; sequence += 1) {
        await log.append([decided(gtridOf(log, sequence)), finished(gtridOf(log, sequence))], 'lazy');
      }
      await reopen();
      expect(log.outcome(gtrid)).toMatchObject({ finished: true, settled: true });
      expect(log.outcome(other)).toMatchObject({ settled: false });
    });

    test('silence is an answer for ids of this log and its lives, and proves nothing for others', async () => {
      await reopen();
      expect(log.outcome(gtridOf(log, 99))).toEqual({ kind: 'silent' });
      expect(log.outcome(gtridOf(log, 99, 1))).toEqual({ kind: 'silent' });
      expect(log.outcome(gtridOf(log, 99, log.recovered.epoch + 1))).toEqual({ kind: 'expired' });
      const strangers = parseLogIdentity('aaaaaaaaaa') ?? log.recovered.identity;
      expect(log.outcome(formatGtrid({ identity: strangers, epoch: 1, sequence: 99 }))).toEqual({ kind: 'expired' });
    });

    test('beyond the retained outcomes the answer is expired, and what is unfinished never expires', async () => {
      await log[Symbol.asyncDispose]();
      log = await bench.open({ outcomesRetainedMax: 50 });
      const { epoch } = log.recovered;
      const open = [decided(gtridOf(log, 1)), heuristic(gtridOf(log, 2))];
      await log.append(open, 'forced');
      for (let from = 11; from < 1_011; from += 100) {
        await complete(log, from, from + 99);
      }
      await eventually('the oldest outcome expires', () => log.outcome(gtridOf(log, 11)).kind === 'expired');
      expect(log.outcome(gtridOf(log, 1_010))).toMatchObject({ kind: 'decided', finished: true });
      expect(log.outcome(gtridOf(log, 961))).toMatchObject({ kind: 'decided', finished: true });
      expect(log.outcome(gtridOf(log, 1))).toMatchObject({ kind: 'decided', finished: false });
      // Below the watermark silence proves nothing, above it something.
      expect(log.outcome(gtridOf(log, 10))).toEqual({ kind: 'expired' });
      expect(log.outcome(gtridOf(log, 5_000))).toEqual({ kind: 'silent' });
      await crashAndReopen();
      expect(log.recovered.unfinished).toEqual(open);
      expect(log.outcome(gtridOf(log, 11, epoch))).toEqual({ kind: 'expired' });
      expect(log.outcome(gtridOf(log, 1_010, epoch))).toMatchObject({ kind: 'decided', finished: true });
      expect(log.outcome(gtridOf(log, 5_000, epoch))).toEqual({ kind: 'silent' });
    });

    test('after a failed force every waiting and every later append rejects, and the news is told once', async () => {
      await log.append([decided(gtridOf(log, 1))], 'forced');
      await bench.failNextForce();
      const waiting = [2, 3].map((sequence) => log.append([decided(gtridOf(log, sequence))], 'forced'));
      const results = await Promise.allSettled(waiting);
      const codes = results.map((result) => result.status === 'rejected' && (result.reason as CoordinatorError).code);
      expect(codes).toEqual(['LOG_FAILED', 'LOG_FAILED']);
      expect(await log.failed).toMatchObject({ code: 'LOG_FAILED' });
      await expect(log.append([decided(gtridOf(log, 4))], 'forced')).rejects.toMatchObject({ code: 'LOG_FAILED' });
      await expect(log.append([decided(gtridOf(log, 5))], 'lazy')).rejects.toMatchObject({ code: 'LOG_FAILED' });
    });

    test('a restart after a failed force has what was acknowledged before, and nothing that came after', async () => {
      await log.append([decided(gtridOf(log, 1))], 'forced');
      await bench.failNextForce();
      await log.append([decided(gtridOf(log, 2))], 'forced').catch(() => undefined);
      await log.append([decided(gtridOf(log, 3))], 'forced').catch(() => undefined);
      await log[Symbol.asyncDispose]();
      log = await bench.open();
      const found = log.recovered.unfinished.flatMap((record) => ('gtrid' in record ? [record.gtrid] : []));
      expect(found).toContain(gtridOf(log, 1, 1));
      expect(found).not.toContain(gtridOf(log, 3, 1));
    });

    test('a second log on the same storage is refused, and the first goes on (conformance C17 H3)', async () => {
      await expect(bench.open()).rejects.toMatchObject({ code: 'LOG_LOCKED' });
      await log.append([decided(gtridOf(log, 1))], 'forced');
      await reopen();
      expect(log.recovered.unfinished).toHaveLength(1);
    });

    test('closing twice is harmless, and afterwards nothing is taken', async () => {
      await log.append([decided(gtridOf(log, 1))], 'lazy');
      await Promise.all([log[Symbol.asyncDispose](), log[Symbol.asyncDispose]()]);
      await log[Symbol.asyncDispose]();
      await expect(log.append([decided(gtridOf(log, 2))], 'forced')).rejects.toBeInstanceOf(CoordinatorError);
      log = await bench.open();
      expect(log.recovered.unfinished).toHaveLength(1);
    });

    test('deciding a transaction twice is a bug that stops the process', async () => {
      await log.append([decided(gtridOf(log, 1))], 'forced');
      expect(() => log.append([decided(gtridOf(log, 1), 'another')], 'forced')).toThrow('decides');
    });

    test('a backup is a log of its own, whose silence about the lives before proves nothing', async () => {
      await log.append([decided(gtridOf(log, 1))], 'forced');
      const path = bench.backupPath();
      const report = await log.backup(path);
      expect(report.lastSequence).toBe(log.status().lastSequence);
      await log.append([decided(gtridOf(log, 2))], 'forced');
      const copy = await bench.openBackup(path);
      expect(copy.recovered).toMatchObject({
        identity: log.recovered.identity,
        unfinished: [decided(gtridOf(log, 1))],
        lostTo: log.recovered.epoch,
      });
      expect(log.recovered.lostTo).toBe(-1);
      expect(copy.outcome(gtridOf(log, 2))).toEqual({ kind: 'expired' });
      expect(copy.outcome(gtridOf(copy, 2))).toEqual({ kind: 'silent' });
    });

    test('a restored log knows for good which lives it lacks, also when newer outcomes have left it, and tells its own backups', async () => {
      const path = bench.backupPath();
      const lost = log.recovered.epoch;
      await log.backup(path);
      let copy = await bench.openBackup(path, { outcomesRetainedMax: 50 });
      const removed = gtridOf(copy, 1);
      for (let from = 1; from < 1_000; from += 100) {
        await complete(copy, from, from + 99);
      }
      await eventually('an outcome of the new life is removed', () => copy.outcome(removed).kind === 'expired');
      await copy[Symbol.asyncDispose]();
      copy = await bench.openBackup(path);
      expect(copy.recovered.lostTo).toBe(lost);
      const second = bench.backupPath();
      await copy.backup(second);
      expect((await bench.openBackup(second)).recovered.lostTo).toBe(copy.recovered.epoch);
    });

    test('a backup and the log that it was made of never share an epoch (faults B79)', async () => {
      await log.append([decided(gtridOf(log, 1))], 'forced');
      const path = bench.backupPath();
      await log.backup(path);
      const copy = await bench.openBackup(path);
      await reopen();
      expect(copy.recovered.epoch).toBeGreaterThan(1);
      expect(log.recovered.epoch).toBeGreaterThan(copy.recovered.epoch);
    });

    test('a backup never replaces a file', async () => {
      const path = bench.backupPath();
      await log.backup(path);
      await expect(log.backup(path)).rejects.toMatchObject({ code: 'FIELD_INVALID' });
      await expect(bench.openBackup(path)).resolves.toBeDefined();
    });

    test('there is room on an ordinary volume', () => {
      expect(log.hasRoom()).toBe(true);
    });
  });
}
