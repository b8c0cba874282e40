// What the bench concludes from what it measured, and the parts of it that decide what is counted.
import { describe, expect, test } from 'vitest';
import { retrying } from '../../bench/contestants/retrying.ts';
import { ownStalls, Stalls, slopePerMinute } from '../../bench/scenarios/stalls.ts';
import { OutcomeUnknownError } from '../../src/client/index.ts';

describe('stalls', () => {
  test('are the times of more than 100 ms in which nothing ended', () => {
    const stalls = new Stalls();
    for (const atMs of [1_000, 1_100, 1_201, 1_202, 1_500]) {
      stalls.ended(atMs);
    }
    expect(stalls.spans).toEqual([
      { from: 1_100, to: 1_201 },
      { from: 1_202, to: 1_500 },
    ]);
  });

  test('are none while nothing was asked for', () => {
    const stalls = new Stalls();
    stalls.ended(1_000);
    stalls.pause();
    stalls.ended(9_000);
    expect(stalls.spans).toEqual([]);
  });

  test('are our own unless a database stood still at the same time', () => {
    const [first, second] = [
      { from: 100, to: 300 },
      { from: 1_000, to: 1_200 },
    ];
    expect(ownStalls([first, second], [{ from: 250, to: 420 }])).toEqual([second]);
    expect(ownStalls([first, second], [{ from: 300, to: 1_000 }])).toEqual([first, second]);
  });
});

test('memory that grows by 3 MiB in two minutes grows by 1.5 a minute', () => {
  const looks = [50, 51.5, 53].map((value, minute) => ({ atMs: minute * 60_000, value }));
  expect(slopePerMinute(looks)).toBeCloseTo(1.5);
  expect(slopePerMinute(looks.map(({ atMs }) => ({ atMs, value: 7 })))).toBe(0);
  expect(slopePerMinute(looks.slice(0, 1))).toBeNaN();
});

describe('a transfer that is tried again', () => {
  test('counts every attempt that was rolled back', async () => {
    let attempts = 0;
    let rolledBack = 0;
    const fails = async (): Promise<void> => {
      attempts += 1;
      if (attempts < 4) {
        throw new Error('lock wait timeout');
      }
    };
    await retrying({ name: 'raw', transfer: fails }, () => (rolledBack += 1)).transfer(1, 2);
    expect([attempts, rolledBack]).toEqual([4, 3]);
  });

  test('is not the one whose outcome is unknown', async () => {
    let attempts = 0;
    const unknown = new OutcomeUnknownError('the coordinator is gone', { gtrid: 'abcdefghij.1.1', branches: [] });
    const fails = async (): Promise<void> => {
      attempts += 1;
      throw unknown;
    };
    await expect(retrying({ name: 'last', transfer: fails }, () => undefined).transfer(1, 2)).rejects.toBe(unknown);
    expect(attempts).toBe(1);
  });
});
