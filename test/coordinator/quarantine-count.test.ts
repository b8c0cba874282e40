// Quarantined branches beyond those that are named: about how many there are, as long as they are there.

import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Quarantine } from '../../src/coordinator/reports/quarantine.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { DistinctCount } from '../../src/lib/distinct-count.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { quarantinedText } from '../../src/xa/quarantined.ts';
import type { Bqual, Gtrid, ResourceName } from '../../src/xa/xid.ts';

const ORDERS = 'orders' as ResourceName;

function openQuarantine(): { readonly quarantine: Quarantine; readonly list: (from: number, to: number) => void } {
  let ms = 0;
  const clock = { now: () => ms } as unknown as Clock;
  const quarantine = new Quarantine(clock, pino({ level: 'silent' }) as never);
  return {
    quarantine,
    /** One reconciliation, three seconds after the last: its engine holds these. */
    list(from, to) {
      ms += 3_000;
      for (let n = from; n < to; n += 1) {
        const gtrid = `jx3k5q2m7a.9.${n.toString(36)}` as Gtrid;
        quarantine.add(
          { gtrid, bqual: 'orders' as Bqual, resource: ORDERS, instance: 'i', evidence: NO_EVIDENCE },
          'why',
        );
      }
      quarantine.listed(ORDERS);
    },
  };
}

describe('the number of quarantined branches', () => {
  it('is exact up to 10,000, and about right beyond, however often they are listed (security X17)', () => {
    const { quarantine, list } = openQuarantine();
    list(0, 10_000);
    expect(quarantine.countAt(ORDERS)).toBe(10_000);
    for (let round = 0; round < 20; round += 1) {
      list(0, 25_000);
      expect(Math.abs(quarantine.countAt(ORDERS) - 25_000)).toBeLessThan(300);
    }
    expect(quarantine.at(ORDERS)).toHaveLength(10_000);
  });

  it('falls when they are gone, and those that were only counted are named then (security X17)', () => {
    const { quarantine, list } = openQuarantine();
    list(0, 25_000);
    for (let round = 0; round < 12; round += 1) {
      list(9_000, 12_000);
    }
    expect(quarantine.countAt(ORDERS)).toBe(3_000);
    expect(quarantine.at(ORDERS)).toHaveLength(3_000);
    for (let round = 0; round < 12; round += 1) {
      list(0, 0);
    }
    expect(quarantine.countAt(ORDERS)).toBe(0);
  });

  it.each([
    [0, '0'],
    [1, '1'],
    [10_000, '10,000'],
    [10_001, '10,000 named and about 1 more'],
    [25_012, '10,000 named and about 15,012 more'],
  ])('%d is told as %s', (count, text) => {
    expect(quarantinedText(count)).toBe(text);
  });
});

it.each([1, 100, 15_000, 100_000])('%d different texts are counted within 2 %%, each however often', (number) => {
  const count = new DistinctCount();
  for (let n = 0; n < number * 2; n += 1) {
    count.add(`jx3k5q2m7a.2.${(n % number).toString(36)}:orders`);
  }
  expect(Math.abs(count.estimate - number)).toBeLessThanOrEqual(number * 0.02);
});
