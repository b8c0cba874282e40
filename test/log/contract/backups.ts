// Backups of a log: each is a log of its own, which knows what it lacks.
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { complete, decided, gtridOf, resourceName } from '../records.ts';
import { type LogBench, useLog } from './bench.ts';

export function describeBackups(name: string, openBench: () => Promise<LogBench>): void {
  describe(`${name} keeps the promises of the log`, () => {
    const life = useLog(openBench);

    test('a backup is a log of its own, whose silence about the lives before proves nothing', async () => {
      await life.log.append([decided(gtridOf(life.log, 1))], 'forced');
      const path = life.bench.backupPath();
      const report = await life.log.backup(path);
      expect(report.lastSequence).toBe(life.log.status().lastSequence);
      await life.log.append([decided(gtridOf(life.log, 2))], 'forced');
      const copy = await life.bench.openBackup(path);
      expect(copy.recovered).toMatchObject({
        identity: life.log.recovered.identity,
        unfinished: [decided(gtridOf(life.log, 1))],
        lostTo: life.log.recovered.epoch,
      });
      expect(life.log.recovered.lostTo).toBeUndefined();
      expect(copy.outcome(gtridOf(life.log, 2))).toEqual({ kind: 'expired' });
      expect(copy.outcome(gtridOf(copy, 2))).toEqual({ kind: 'silent' });
    });

    test('a restored log knows for good which lives it lacks, also when newer outcomes have left it, and tells its own backups', async () => {
      const path = life.bench.backupPath();
      const lost = life.log.recovered.epoch;
      await life.log.backup(path);
      let copy = await life.bench.openBackup(path, { outcomesRetainedMax: 50 });
      const removed = gtridOf(copy, 1);
      for (let from = 1; from < 1_000; from += 100) {
        await complete(copy, from, from + 99);
      }
      await eventually('an outcome of the new life is removed', () => copy.outcome(removed).kind === 'expired');
      await copy[Symbol.asyncDispose]();
      copy = await life.bench.openBackup(path);
      expect(copy.recovered.lostTo).toBe(lost);
      const second = life.bench.backupPath();
      await copy.backup(second);
      expect((await life.bench.openBackup(second)).recovered.lostTo).toBe(copy.recovered.epoch);
    });

    test('a backup and the log that it was made of never share an epoch (faults B79)', async () => {
      await life.log.append([decided(gtridOf(life.log, 1))], 'forced');
      const path = life.bench.backupPath();
      await life.log.backup(path);
      const copy = await life.bench.openBackup(path);
      await life.reopen();
      expect(copy.recovered.epoch).toBeGreaterThan(1);
      expect(life.log.recovered.epoch).toBeGreaterThan(copy.recovered.epoch);
    });

    test('each life has a token of its own, and a log knows those of its lives, but not those of its copies (field R5)', async () => {
      const first = life.log.recovered;
      const path = life.bench.backupPath();
      await life.log.backup(path);
      let copy = await life.bench.openBackup(path);
      for (const _ of [1, 2, 3]) {
        await copy[Symbol.asyncDispose]();
        copy = await life.bench.openBackup(path);
      }
      await life.reopen();
      const [ours, theirs] = [life.log.recovered, copy.recovered];
      expect(ours.lives).toEqual([
        { epoch: first.epoch, token: first.token },
        { epoch: ours.epoch, token: ours.token },
      ]);
      expect(theirs.epoch).toBeGreaterThan(ours.epoch);
      expect(theirs.lives?.[0]).toEqual(ours.lives?.[0]);
      expect(theirs.lives?.find(({ epoch }) => epoch === ours.epoch)?.token).not.toBe(ours.token);
      expect(new Set(theirs.lives?.map(({ token }) => token)).size).toBe(theirs.lives?.length);
    });

    test('a refused log begins no life, however often it is started, until a person adopts it (field R5)', async () => {
      const { epoch } = life.log.recovered;
      await life.log.append([decided(gtridOf(life.log, 1))], 'forced');
      const resource = resourceName('orders');
      await life.log.append([{ kind: 'life-refused', resource, epoch: 7, token: 'theirs', wallTime: 1 }], 'forced');
      for (const _ of [1, 2, 3, 4, 5]) {
        await life.crashAndReopen();
        expect(life.log.recovered).toMatchObject({ epoch, refused: [{ resource, epoch: 7, token: 'theirs' }] });
      }
      const words = { operator: 'ada', reason: 'the disk is lost', requestId: 'r', wallTime: 2 };
      await life.log.append([{ kind: 'log-adopted', lostTo: 7, ...words }], 'forced');
      for (const next of [8, 9]) {
        await life.reopen();
        expect(life.log.recovered).toMatchObject({ epoch: next, lostTo: 7, refused: [] });
        expect(life.log.recovered.unfinished).toHaveLength(1);
        expect(life.log.outcome(gtridOf(life.log, 5, 7))).toEqual({ kind: 'expired' });
        expect(life.log.outcome(gtridOf(life.log, 5, 8))).toEqual({ kind: 'silent' });
      }
    });

    test('a backup never replaces a file', async () => {
      const path = life.bench.backupPath();
      await life.log.backup(path);
      await expect(life.log.backup(path)).rejects.toMatchObject({ code: 'FIELD_INVALID' });
      await expect(life.bench.openBackup(path)).resolves.toBeDefined();
    });
  });
}
