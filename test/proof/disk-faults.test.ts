// System calls of the log fail one by one: the proof of `npm run disk-faults`, in a size for every run of the tests.
import { describe, expect, test } from 'vitest';
import { dice } from '../../proof/disk/dice.ts';
import { DISK_FAULTS, proveDiskFaults } from '../../proof/disk/disk-faults.ts';
import { everyFault, injection, nameOfFault, parseFault, sampled } from '../../proof/disk/fault-plan.ts';
import { silence } from '../../proof/disk/progress.ts';
import { skipWithoutStrace } from '../log/children/run.ts';

describe('the plan of the faults', () => {
  const faults = everyFault(
    new Map([
      [
        'worker',
        new Map([
          ['fsync', 3],
          ['rename', 2],
        ]),
      ],
    ]),
  );

  test('has every call from the first to the last, with everything that it may answer', () => {
    expect(faults).toHaveLength(3 * 5 + 2 * 3);
    expect(faults.filter(({ how }) => how === 'EIO').map(nameOfFault)).toEqual([
      'worker:fsync:EIO:1',
      'worker:fsync:EIO:2',
      'worker:fsync:EIO:3',
      'worker:rename:EIO:1',
      'worker:rename:EIO:2',
    ]);
  });

  test('draws some of each kind before more of any, and the same with the same seed', () => {
    const some = sampled(faults, 8, dice(5));
    expect(new Set(some.map(({ call, how }) => `${call} ${how}`)).size).toBe(8);
    expect(sampled(faults, 8, dice(5))).toEqual(some);
    expect(new Set(sampled(faults, 1_000, dice(5)))).toEqual(new Set(faults));
  });

  test('names each fault so that it can be run again', () => {
    expect(faults.map((fault) => parseFault(nameOfFault(fault)))).toEqual(faults);
    expect(parseFault('worker:fsync:EFBIG:1')).toBeUndefined();
    expect(injection({ scene: 'worker', call: 'fsync', how: 'EIO+', when: 7 })).toBe('inject=fsync:error=EIO:when=7+');
    expect(injection({ scene: 'worker', call: 'fsync', how: 'slow', when: 7 })).toBe(
      'inject=fsync:delay_exit=5000000:when=7',
    );
  });
});

describe.skipIf(skipWithoutStrace)('the log on a disk that fails once', () => {
  const options = { ...DISK_FAULTS, processes: 2 };

  test('keeps what it acknowledged, whatever call fails (faults F33)', { timeout: 180_000 }, async () => {
    const report = await proveDiskFaults({ ...options, seed: 11, sample: 16 }, silence);
    expect(report.findings).toEqual([]);
    expect(report.runs).toBe(16);
    expect(report.struck).toBeGreaterThan(12);
  });

  test('tells who waits that it failed when a sync did, and goes on when one was slow (faults F26 F32)', {
    timeout: 60_000,
  }, async () => {
    const failing = parseFault('inline:fsync:EIO:9');
    const slow = parseFault('inline:fsync:slow:9');
    expect(await proveDiskFaults({ ...options, only: failing }, silence)).toMatchObject({
      struck: 1,
      failed: 1,
      findings: [],
    });
    expect(await proveDiskFaults({ ...options, only: slow }, silence)).toMatchObject({
      struck: 1,
      failed: 0,
      findings: [],
    });
  });
});
