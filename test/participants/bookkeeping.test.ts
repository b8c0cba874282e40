// The small parts of the participant runtime: what is remembered of ended branches, and in what order calls run.
import { describe, expect, it } from 'vitest';
import type { Ended } from '../../src/participants/engine/state.ts';
import { SerialQueues } from '../../src/participants/runtime/branches/serial-queues.ts';
import { Tombstones } from '../../src/participants/runtime/branches/tombstones.ts';
import { TOMBSTONE_MS } from '../../src/xa/times.ts';
import { ManualClock } from './manual-clock.ts';

const LEFT: Ended = { kind: 'left-to-engine', opening: undefined };

describe('tombstones', () => {
  it('are bounded by count: the newest half of the most is always there', () => {
    const tombstones = new Tombstones(new ManualClock(), 8);
    for (const key of ['a', 'b', 'c', 'a', 'd']) {
      tombstones.bury(key, LEFT);
    }
    expect(['a', 'b', 'c', 'd'].map((key) => tombstones.get(key)?.kind)).toEqual([
      LEFT.kind,
      LEFT.kind,
      LEFT.kind,
      LEFT.kind,
    ]);
    for (let n = 0; n < 1_000; n += 1) {
      tombstones.bury(`n${n}`, LEFT);
      expect(tombstones.size).toBeLessThanOrEqual(8);
      for (let back = 0; back < Math.min(4, n); back += 1) {
        expect(tombstones.get(`n${n - back}`)).toEqual(LEFT);
      }
    }
    expect(tombstones.get('n990')).toBeUndefined();
  });

  it('are bounded by age, and are there as long as a message may be late', () => {
    const clock = new ManualClock();
    const tombstones = new Tombstones(clock, 100);
    tombstones.bury('first', LEFT);
    clock.advance(TOMBSTONE_MS - 1);
    tombstones.bury('second', LEFT);
    clock.advance(1);
    tombstones.bury('third', LEFT);
    clock.advance(TOMBSTONE_MS - 1);
    expect(tombstones.get('second')).toEqual(LEFT);
    clock.advance(1);
    tombstones.bury('fourth', LEFT);
    expect(['first', 'second'].map((key) => tombstones.get(key))).toEqual([undefined, undefined]);
    expect(tombstones.get('third')).toEqual(LEFT);
    expect(tombstones.size).toBe(2);
  });

  it('buried again, they count as new', () => {
    const clock = new ManualClock();
    const tombstones = new Tombstones(clock);
    tombstones.bury('a', LEFT);
    clock.advance(10);
    expect(tombstones.endedSince('a', 10)).toBe(false);
    tombstones.bury('a', LEFT);
    expect(tombstones.endedSince('a', 10)).toBe(true);
    expect(tombstones.endedSince('b', 0)).toBe(false);
  });
});

describe('serial queues', () => {
  it('run the jobs of one key one after the other, and those of two side by side', async () => {
    const queues = new SerialQueues();
    const seen: string[] = [];
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const job = (name: string, gate: Promise<void> | undefined) => async (): Promise<void> => {
      seen.push(`${name} begins`);
      await gate;
      seen.push(`${name} ends`);
    };
    const all = [
      queues.run('x', job('x1', gates[0]?.promise)),
      queues.run('x', job('x2', undefined)),
      queues.run('y', job('y1', gates[1]?.promise)),
    ];
    expect(seen).toEqual(['x1 begins', 'y1 begins']);
    gates[1]?.resolve();
    await all[2];
    gates[0]?.resolve();
    await Promise.all(all);
    expect(seen).toEqual(['x1 begins', 'y1 begins', 'y1 ends', 'x1 ends', 'x2 begins', 'x2 ends']);
  });

  it('go on after a failed job, and keep nothing of what has ended', async () => {
    const queues = new SerialQueues();
    const failed = queues.run('x', async () => {
      throw new Error('no');
    });
    const next = queues.run('x', async () => 2);
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe(2);
    expect(queues.size).toBe(0);
  });
});
