// Which thread flushes: decided by what the disk showed, and never back and forth.
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { FileWork } from '../../src/log/sqlite/file/writer.ts';
import type { LaneName } from '../../src/log/sqlite/flush/lane-policy.ts';
import { LanePolicy } from '../../src/log/sqlite/flush/lane-policy.ts';
import { Lanes } from '../../src/log/sqlite/flush/lanes.ts';
import type { LogWorker } from '../../src/log/sqlite/flush/log-worker.ts';

function observe(policy: LanePolicy, times: number, micros: number): LaneName {
  for (let index = 0; index < times; index += 1) {
    policy.observe(micros);
  }
  return policy.lane;
}

/** How many quick flushes the worker makes before the main thread takes over. */
function flushesUntilInline(policy: LanePolicy): number {
  let flushes = 0;
  while (policy.lane === 'worker') {
    policy.observe(150);
    flushes += 1;
  }
  return flushes;
}

test("checkpoints are the worker's, whichever lane flushes", async () => {
  const asked: string[] = [];
  const worker: Pick<LogWorker, 'request'> = {
    async request(request) {
      asked.push(request.kind === 'work' ? request.work.kind : request.kind);
      return { kind: 'done', micros: 0 };
    },
  };
  const path = '/nowhere/log.db';
  const lanes = new Lanes({ path, walPagesMax: 1_000, clock: systemClock, worker, firstLane: 'inline' });
  const perform = (work: FileWork): Promise<Error | undefined> => new Promise((done) => lanes.perform(work, done));
  expect(await perform({ kind: 'checkpoint', mode: 'PASSIVE' })).toBeUndefined();
  expect(asked).toEqual(['checkpoint']);
  // Anything else is tried on the main thread, where there is no such file; the failure is an answer, not an exception.
  const frame = { number: 1, epoch: 1, last: 1, records: 1, hash: new Uint8Array(32), payload: new Uint8Array(1) };
  expect(await perform({ kind: 'append', frame })).toBeInstanceOf(Error);
  expect(asked).toEqual(['checkpoint']);
});

describe('the lane', () => {
  test('is the worker until the disk has proved to be fast', () => {
    const policy = new LanePolicy();
    expect(policy.lane).toBe('worker');
    expect(observe(policy, 15, 150)).toBe('worker');
    expect(observe(policy, 1, 150)).toBe('inline');
  });

  test('stays the worker on a slow disk', () => {
    expect(observe(new LanePolicy(), 10_000, 1_500)).toBe('worker');
  });

  test('stays the worker on a disk that is fast except now and then', () => {
    const policy = new LanePolicy();
    for (let index = 0; index < 1_000; index += 1) {
      observe(policy, 9, 150);
      expect(observe(policy, 1, 200_000)).toBe('worker');
    }
  });

  test('is trusted although one flush in a window had to wait for a core, and not for two', () => {
    const policy = new LanePolicy();
    observe(policy, 1, 6_000);
    expect(observe(policy, 15, 150)).toBe('inline');
    expect(observe(policy, 1, 6_000)).toBe('inline');
    const other = new LanePolicy();
    observe(other, 2, 6_000);
    expect(observe(other, 14, 150)).toBe('worker');
  });

  test('goes back to the worker after a single flush that stopped the event loop', () => {
    const policy = new LanePolicy();
    observe(policy, 100, 150);
    expect(policy.lane).toBe('inline');
    expect(observe(policy, 1, 21_000)).toBe('worker');
  });

  test('goes back to the worker when the main thread would do nothing but wait', () => {
    const policy = new LanePolicy();
    observe(policy, 100, 150);
    expect(observe(policy, 16, 2_000)).toBe('worker');
  });

  test('trusts a disk less each time that it was slow, and again after a long good time', () => {
    const policy = new LanePolicy();
    const waits = [flushesUntilInline(policy)];
    for (let index = 0; index < 3; index += 1) {
      policy.observe(50_000);
      waits.push(flushesUntilInline(policy));
    }
    expect(waits).toEqual([16, 32, 64, 128]);
    observe(policy, 20_000, 150);
    policy.observe(50_000);
    expect(flushesUntilInline(policy)).toBe(32);
  });

  test('stops the event loop for less than one flush in a thousand on a disk that is slow at the worst of times', () => {
    const policy = new LanePolicy();
    let stops = 0;
    const flushes = 100_000;
    for (let index = 0; index < flushes; index += 1) {
      // Slow exactly when the main thread has just taken over.
      const inline = policy.lane === 'inline';
      stops += inline ? 1 : 0;
      policy.observe(inline ? 50_000 : 150);
    }
    expect(stops).toBeLessThan(flushes / 1_000);
  });
});
