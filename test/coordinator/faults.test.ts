// Faults of the coordinator's own process that have no other home: a request repeated over a death, a bug in a handler, a wall clock
// that jumps.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log } from '../../src/log/log.ts';
import { MemoryDisk } from '../../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

class WallClock extends TestClock {
  /** How far the wall clock is off, now. */
  aheadMs = 0;

  override wallTime(): number {
    return super.wallTime() + this.aheadMs;
  }
}

describe('a coordinator that dies', () => {
  it('before anything was done in a transaction leaves one transaction when its Begin is repeated (faults F01)', async () => {
    await using system = await openSystem();
    const request = { requestId: 'begin-once', timeoutMs: 20_000 };
    const lost = await system.api.begin(request);
    await system.restart();
    const begun = await system.api.begin(request);
    expect(await system.api.begin(request)).toEqual(begun);
    const { transactions } = await system.api.list({});
    expect(transactions.map(({ gtrid }) => gtrid)).toEqual([begun.gtrid]);
    expect(begun.gtrid).not.toBe(lost.gtrid);
  });
});

describe('a bug in a handler', () => {
  it('fails its own call only: a commit that waits for votes meanwhile goes on (faults F16)', async () => {
    const disk = new MemoryDisk();
    const openLog = async (): Promise<Log> => {
      const log = await openMemoryLog({ clock: systemClock, random: systemRandom, version: 'test', disk });
      return new Proxy(log, {
        get: (target, key) => {
          if (key === 'outcome') {
            return () => {
              throw new TypeError('a bug');
            };
          }
          const value: unknown = Reflect.get(target, key);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    };
    await using system = await openSystem({ openLog });
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { prepare: silent });
    const { gtrid } = await system.transaction(accounts, orders);
    const commit = system.api.commit({ gtrid });
    await orders.hears('prepare');
    const { identity } = system.log.recovered;
    expect(await refusal(system.api.getTransaction({ gtrid: `${identity}.1.zz` }))).toMatchObject({ code: 'INTERNAL' });
    expect(system.events.named('handler-failed')).toHaveLength(1);
    orders.send({ vote: { gtrid, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: { row: 'x7aaaaaaaaaa' } } });
    expect((await commit).outcome).toBe('OUTCOME_COMMITTED');
  });
});

describe('a wall clock', () => {
  it.each([DAY_MS, -DAY_MS, -400 * DAY_MS])(
    'that jumps by %d ms ends nothing early, loses no decision and gives no id twice (faults F20, conformance G19)',
    async (jumpMs) => {
      const clock = new WallClock();
      await using system = await openSystem({ clock });
      const accounts = await system.participant('accounts');
      const orders = await system.participant('orders', { finish: silent });
      const { gtrid } = await system.transaction(accounts, orders);
      await system.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
      const stock = await system.participant('stock');
      const open = await system.transaction(accounts, stock);
      clock.aheadMs = jumpMs;
      expect((await system.info(open.gtrid)).state).toBe('TRANSACTION_STATE_ACTIVE');
      expect((await system.api.commit({ gtrid: open.gtrid })).outcome).toBe('OUTCOME_COMMITTED');
      await system.restart();
      const later = await system.api.begin({ timeoutMs: 60_000 });
      expect(new Set([gtrid, open.gtrid, later.gtrid]).size).toBe(3);
      await system.participant('accounts');
      const back = await system.participant('orders');
      await back.hears('finish');
      await eventually('the decision is carried out', async () => {
        const { state, outcome } = await system.info(gtrid);
        return state === 'TRANSACTION_STATE_COMPLETED' && outcome === 'OUTCOME_COMMITTED';
      });
      expect(back.told).toEqual(['commit orders']);
      clock.aheadMs = -jumpMs;
      expect((await system.info(gtrid)).outcome).toBe('OUTCOME_COMMITTED');
      expect((await system.info(later.gtrid)).state).toBe('TRANSACTION_STATE_ACTIVE');
    },
  );
});
