// A log that was restored from a backup: it lacks decisions, and nothing is presumed of what it lacks.
import { describe, expect, it } from 'vitest';
import { assert } from '../../src/lib/assert.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log } from '../../src/log/log.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { type ScriptedParticipant, silent } from './scripted-participant.ts';
import { refusal } from './unary.ts';

describe('a log that was restored from a backup', () => {
  /** Two branches are prepared, a backup is made, one branch hears of the decision; then the log is lost and the backup takes its place. */
  async function restored(
    commitBefore: boolean,
    evidence = { row: 'x7aaaaaaaaaa' },
  ): Promise<{ readonly gtrid: string; readonly copy: System; readonly again: () => Promise<System> }> {
    const system = await openSystem();
    const accounts = await system.participant('accounts', { prepare: () => ({ vote: 'VOTE_PREPARED', evidence }) });
    const orders = await system.participant('orders', {
      prepare: () => ({ vote: 'VOTE_PREPARED', evidence }),
      finish: silent,
    });
    const { gtrid, branches } = await system.transaction(accounts, orders);
    const commit = (): Promise<unknown> =>
      system.api.commit({ gtrid, branches, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    if (commitBefore) {
      await commit();
      await system.api.backup({ path: 'copy' });
    } else {
      await system.api.backup({ path: 'copy' });
      await commit();
    }
    await accounts.hears('finish');
    await system[Symbol.asyncDispose]();
    const disk = system.disk.backups.get('copy');
    assert(disk !== undefined, 'the backup is there');
    const openLog = (): Promise<Log> =>
      openMemoryLog({ clock: systemClock, random: systemRandom, version: 'test', disk, outcomesRetainedMax: 2 });
    const again = (): Promise<System> => openSystem({ openLog });
    return { gtrid, copy: await again(), again };
  }

  /** The sidecar of `orders` tells of the branch that is prepared there. */
  async function quarantined(system: System, gtrid: string): Promise<ScriptedParticipant> {
    const orders = await system.participant('orders', {
      hello: { held: [{ gtrid, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: { row: 'x7aaaaaaaaaa' } }] },
    });
    orders.send({
      reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: { row: 'x7aaaaaaaaaa' }, ageMs: 60_000 }] },
    });
    const shown = await eventually('the branch is shown', async () => {
      const { resources } = await system.api.resources({});
      return resources.find(({ quarantinedBranches }) => quarantinedBranches === 1);
    });
    expect(shown.name).toBe('orders');
    return orders;
  }

  it('does not presume anything of a branch whose decision may be missing: it is kept, and shown', async () => {
    const { gtrid, copy } = await restored(false);
    await using system = copy;
    const orders = await quarantined(system, gtrid);
    expect(orders.told).toEqual([]);
    expect((await refusal(system.info(gtrid, [{ bqual: 'accounts' }, { bqual: 'orders' }]))).code).toBe(
      'OUTCOME_EXPIRED',
    );
  });

  it('still knows it when outcomes that are newer than the backup have left the log, and it was started again', async () => {
    const { gtrid, copy, again } = await restored(false);
    {
      await using system = copy;
      const accounts = await system.participant('accounts');
      const orders = await system.participant('orders');
      const { gtrid: first } = await system.transaction(accounts, orders);
      await system.api.commit({ gtrid: first });
      for (let count = 0; count < 5; count += 1) {
        const { gtrid: newer } = await system.transaction(accounts, orders);
        await system.api.commit({ gtrid: newer });
      }
      await eventually('the first has left', () => system.log.outcome(first as Gtrid).kind === 'expired');
    }
    await using system = await again();
    const orders = await quarantined(system, gtrid);
    expect(orders.told).toEqual([]);
  });

  it('finishes the decisions that it has, and takes no evidence row for missing: it may have been deleted since', async () => {
    const { gtrid, copy } = await restored(true);
    await using system = copy;
    const orders = await system.participant('orders');
    expect(await orders.hears('finish')).toMatchObject({
      gtrid,
      verb: 'FINISH_VERB_COMMIT',
      evidence: { opening: 'x7aaaaaaaaaa' },
    });
  });
});
