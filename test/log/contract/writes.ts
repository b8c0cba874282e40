// How a log writes: forced and lazy, shared, in order; and what it refuses once it has failed, is closed or belongs to another.
import { describe, expect, test } from 'vitest';
import { CoordinatorError } from '../../../src/xa/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { decided, finished, gtridOf } from '../records.ts';
import { type LogBench, useLog } from './bench.ts';

export function describeWrites(name: string, openBench: () => Promise<LogBench>): void {
  describe(`${name} keeps the promises of the log`, () => {
    const life = useLog(openBench);

    test('a lazy record is durable with the next forced one', async () => {
      const record = decided(gtridOf(life.log, 1));
      await life.log.append([record], 'forced');
      await life.log.append([finished(record.gtrid)], 'lazy');
      await life.log.append([decided(gtridOf(life.log, 2))], 'forced');
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toEqual([decided(gtridOf(life.log, 2, 1))]);
    });

    test('a lazy record does not wait for a disk, and is durable by itself within a second and a bit', async () => {
      const before = life.log.status();
      await life.log.append([decided(gtridOf(life.log, 1))], 'lazy');
      expect(life.log.status().lastSequence).toBe(before.lastSequence);
      await eventually('the lazy record is durable', () => life.log.status().lastSequence > before.lastSequence, 4_000);
      expect(life.log.status().forcedWrites).toBe(before.forcedWrites);
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished).toHaveLength(1);
    });

    test('one forced append of a lone caller is one forced write', async () => {
      const before = life.log.status().forcedWrites;
      for (const sequence of [1, 2, 3]) {
        await life.log.append([decided(gtridOf(life.log, sequence))], 'forced');
      }
      expect(life.log.status().forcedWrites - before).toBe(3);
    });

    test('appends of one turn of the event loop share one forced write', async () => {
      const before = life.log.status().forcedWrites;
      const appends = Array.from({ length: 50 }, (_, index) =>
        life.log.append([decided(gtridOf(life.log, index + 1))], 'forced'),
      );
      await Promise.all(appends);
      expect(life.log.status().forcedWrites - before).toBe(1);
    });

    test('records are numbered in the order of the calls, whatever their durability', async () => {
      const { lastSequence } = life.log.status();
      void life.log.append([decided(gtridOf(life.log, 1))], 'lazy');
      const forced = life.log.append([decided(gtridOf(life.log, 2)), decided(gtridOf(life.log, 3))], 'forced');
      void life.log.append([finished(gtridOf(life.log, 2))], 'lazy');
      await forced;
      expect(life.log.status().lastSequence).toBeGreaterThanOrEqual(lastSequence + 3);
      await life.crashAndReopen();
      expect(life.log.recovered.unfinished.slice(0, 2)).toContainEqual(decided(gtridOf(life.log, 1, 1)));
    });

    test('after a failed force every waiting and every later append rejects, and the news is told once', async () => {
      await life.log.append([decided(gtridOf(life.log, 1))], 'forced');
      await life.bench.failNextForce();
      const waiting = [2, 3].map((sequence) => life.log.append([decided(gtridOf(life.log, sequence))], 'forced'));
      const results = await Promise.allSettled(waiting);
      const codes = results.map((result) => result.status === 'rejected' && (result.reason as CoordinatorError).code);
      expect(codes).toEqual(['LOG_FAILED', 'LOG_FAILED']);
      expect(await life.log.failed).toMatchObject({ code: 'LOG_FAILED' });
      await expect(life.log.append([decided(gtridOf(life.log, 4))], 'forced')).rejects.toMatchObject({
        code: 'LOG_FAILED',
      });
      await expect(life.log.append([decided(gtridOf(life.log, 5))], 'lazy')).rejects.toMatchObject({
        code: 'LOG_FAILED',
      });
    });

    test('a restart after a failed force has what was acknowledged before, and nothing that came after', async () => {
      await life.log.append([decided(gtridOf(life.log, 1))], 'forced');
      await life.bench.failNextForce();
      await life.log.append([decided(gtridOf(life.log, 2))], 'forced').catch(() => undefined);
      await life.log.append([decided(gtridOf(life.log, 3))], 'forced').catch(() => undefined);
      await life.log[Symbol.asyncDispose]();
      await life.open();
      const found = life.log.recovered.unfinished.flatMap((record) => ('gtrid' in record ? [record.gtrid] : []));
      expect(found).toContain(gtridOf(life.log, 1, 1));
      expect(found).not.toContain(gtridOf(life.log, 3, 1));
    });

    test('a second log on the same storage is refused, and the first goes on (conformance C17 H3)', async () => {
      await expect(life.bench.open()).rejects.toMatchObject({ code: 'LOG_LOCKED' });
      await life.log.append([decided(gtridOf(life.log, 1))], 'forced');
      await life.reopen();
      expect(life.log.recovered.unfinished).toHaveLength(1);
    });

    test('closing twice is harmless, and afterwards nothing is taken', async () => {
      await life.log.append([decided(gtridOf(life.log, 1))], 'lazy');
      await Promise.all([life.log[Symbol.asyncDispose](), life.log[Symbol.asyncDispose]()]);
      await life.log[Symbol.asyncDispose]();
      await expect(life.log.append([decided(gtridOf(life.log, 2))], 'forced')).rejects.toBeInstanceOf(CoordinatorError);
      await life.open();
      expect(life.log.recovered.unfinished).toHaveLength(1);
    });

    test('deciding a transaction twice is a bug that stops the process', async () => {
      await life.log.append([decided(gtridOf(life.log, 1))], 'forced');
      expect(() => life.log.append([decided(gtridOf(life.log, 1), 'another')], 'forced')).toThrow('decides');
    });

    test('there is room on an ordinary volume', () => {
      expect(life.log.hasRoom()).toBe(true);
    });
  });
}
