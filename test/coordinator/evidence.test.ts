// Evidence in engines (marker rows) is deleted only when the log accounts durably for its transaction; one-phase proofs stay a minute.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { later, type ScriptedParticipant, silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

const OPENING = 'abcdefghijkl';
const EVIDENCE = { row: OPENING };
const marker = { prepare: () => ({ vote: 'VOTE_PREPARED' as const, evidence: EVIDENCE }) };
/** Ten seconds of the coordinator in one of ours. */
const fast = (): TestClock => new TestClock(20);

async function pair(system: System): Promise<[ScriptedParticipant, ScriptedParticipant]> {
  const accounts = await system.participant('accounts', marker);
  const orders = await system.participant('orders', marker);
  return [accounts.beat(50), orders.beat(50)];
}

async function committed(system: System, participants: readonly ScriptedParticipant[]): Promise<string> {
  const { gtrid } = await system.transaction(...participants);
  await system.api.commit({ gtrid });
  return gtrid;
}

const forgotten = (participant: ScriptedParticipant): string[] =>
  participant.heard('forget').flatMap(({ branches }) => branches.map(({ gtrid, bqual }) => `${gtrid}:${bqual}`));

describe('the evidence of a decision', () => {
  it('is deleted after the finished record, and a forced append behind it, are durable', async () => {
    await using system = await openSystem({ clock: fast() });
    const both = await pair(system);
    const first = await committed(system, both);
    await eventually('its end is durable', () => system.records('finished').length === 1);
    await later(200, undefined);
    expect(both.flatMap(forgotten)).toEqual([]);
    const second = await committed(system, both);
    await both[0].hears('forget');
    await both[1].hears('forget');
    expect(both.flatMap(forgotten)).toEqual([`${first}:accounts`, `${first}:orders`]);
    await later(200, undefined);
    expect(both.flatMap(forgotten)).not.toContain(`${second}:accounts`);
  });

  it('is not deleted while the force that would make its end durable is under way', async () => {
    await using system = await openSystem({ clock: fast() });
    const both = await pair(system);
    await committed(system, both);
    system.disk.flushMs = 10_000;
    const second = committed(system, both);
    await later(250, undefined);
    expect(system.records('finished')).toEqual([]);
    expect(both.flatMap(forgotten)).toEqual([]);
    await second;
    expect(system.records('finished')).toHaveLength(1);
    await both[0].hears('forget');
  });

  it('that a sweep brings up is deleted only when the transaction is finished, and has been for a minute', async () => {
    await using system = await openSystem({ clock: fast() });
    const both = await pair(system);
    const done = await committed(system, both);
    both[1].script = { ...both[1].script, finish: silent };
    const { gtrid: open } = await system.transaction(...both);
    await system.api.commit({ gtrid: open, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    const sweep = { reconcile: { markers: [`${open}:accounts:${OPENING}`, `${done}:accounts:${OPENING}`] } };
    both[0].send(sweep);
    await eventually('the minute is over', async () => {
      await later(500, undefined);
      both[0].send(sweep);
      return forgotten(both[0]).filter((one) => one === `${done}:accounts`).length > 1;
    });
    expect(forgotten(both[0])).not.toContain(`${open}:accounts`);
  });
});

describe('the evidence of a decision whose end is not durable yet', () => {
  it('is not deleted, however long it is swept and however long the disk takes', async () => {
    const clock = fast();
    await using system = await openSystem({ clock });
    const both = await pair(system);
    const gtrid = await committed(system, both);
    system.disk.flushMs = 40_000;
    const sweep = { reconcile: { markers: [`${gtrid}:accounts:${OPENING}`] } };
    for (let n = 0; n < 4; n += 1) {
      both[0].send(sweep);
      await later(50, undefined);
      clock.skip(60_000);
    }
    await later(600, undefined);
    expect(system.records('finished')).toEqual([]);
    expect(both.flatMap(forgotten)).toEqual([]);
    await eventually('its end is durable', () => system.records('finished').length === 1);
  });
});

describe('the proof of a commit in one phase', () => {
  it('is deleted a minute after the commit was heard of, although nobody has swept it', async () => {
    await using system = await openSystem({ clock: fast() });
    const orders = await system.participant('orders', {
      finish: ({ gtrid, bqual }) => {
        orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: EVIDENCE } });
        return { result: 'FINISH_RESULT_DONE' };
      },
    });
    orders.beat(50);
    const gtrids: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const { gtrid } = await system.transaction(orders);
      await system.api.commit({ gtrid });
      gtrids.push(gtrid);
    }
    const heard = performance.now();
    await eventually('they are deleted', () => forgotten(orders).length === 3);
    expect(performance.now() - heard).toBeGreaterThan(2_800);
    expect(forgotten(orders)).toEqual(gtrids.map((gtrid) => `${gtrid}:orders`));
    expect((await system.info(gtrids[0] ?? '')).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('that has none, or was rolled back, asks for nothing', async () => {
    const clock = fast();
    await using system = await openSystem({ clock });
    const reason = { code: 'BRANCH_VOTED_NO', message: 'refused' };
    let calls = 0;
    const orders = await system.participant('orders', {
      finish: ({ gtrid, bqual }) => {
        calls += 1;
        if (calls === 1) {
          return { result: 'FINISH_RESULT_DONE' }; // It only read.
        }
        orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: EVIDENCE } });
        return { result: 'FINISH_RESULT_DONE_OTHERWISE', reason };
      },
    });
    orders.beat(50);
    const { gtrid: read } = await system.transaction(orders);
    await system.api.commit({ gtrid: read });
    const { gtrid: refused } = await system.transaction(orders);
    await refusal(system.api.commit({ gtrid: refused }));
    await later(4_000, undefined);
    expect(forgotten(orders)).toEqual([]);
  });

  it('answers for its outcome after a restart, and stays for a minute however often it is swept', async () => {
    await using system = await openSystem({ clock: fast() });
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.api.commit({ gtrid });
    await system.restart();
    const sidecars = [
      await system.participant('orders'),
      await system.participant('orders', { hello: { instance: 'two' } }),
    ];
    const sweep = { reconcile: { markers: [`${gtrid}:orders:${OPENING}`] } };
    const started = performance.now();
    for (const sidecar of sidecars) {
      sidecar.beat(50).send(sweep, sweep);
    }
    await eventually('it is known', async () => (await system.info(gtrid)).outcome === 'OUTCOME_COMMITTED');
    await eventually('it is deleted', async () => {
      await later(100, undefined);
      sidecars[0]?.send(sweep);
      return sidecars.some((sidecar) => forgotten(sidecar).includes(`${gtrid}:orders`));
    });
    expect(performance.now() - started).toBeGreaterThan(3_000);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('stays for ever where the transaction was rolled back: somebody committed the branch by hand', async () => {
    await using system = await openSystem({ clock: new TestClock(100) });
    const orders = (await system.participant('orders')).beat(10);
    const { gtrid } = await system.transaction(orders);
    await system.api.rollback({ gtrid });
    for (let n = 0; n < 4; n += 1) {
      orders.send({ reconcile: { markers: [`${gtrid}:orders:${OPENING}`] } });
      await later(400, undefined);
    }
    expect(forgotten(orders)).toEqual([]);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_ROLLED_BACK');
  });

  it('of another log, another resource or a newer epoch is nobody’s business (D8)', async () => {
    await using system = await openSystem({ clock: new TestClock(100) });
    const orders = (await system.participant('orders')).beat(10);
    const { identity, epoch } = system.log.recovered;
    const other = identity.startsWith('a') ? `b${identity.slice(1)}` : `a${identity.slice(1)}`;
    const markers = [
      `${other}.1.0:orders:${OPENING}`,
      `${identity}.${epoch + 1}.0:orders:${OPENING}`,
      `${identity}.0.0:accounts:${OPENING}`,
      `${identity}.0.0:orders`,
      'garbage',
      '',
    ];
    for (let n = 0; n < 4; n += 1) {
      orders.send({ reconcile: { markers } });
      await later(400, undefined);
    }
    expect(forgotten(orders)).toEqual([]);
  });
});

describe('a sweep of very many', () => {
  it('is answered for each of them', async () => {
    await using system = await openSystem({ clock: fast() });
    const resource = 'a-resource-with-a-long-name-ab';
    const { identity } = system.log.recovered;
    const orders = (await system.participant(resource)).beat(50);
    const all = Array.from({ length: 60_000 }, (_, n) => `${identity}.0.${(n + 1).toString(36)}:${resource}`);
    const sweep = (): void => {
      for (let first = 0; first < all.length; first += 500) {
        orders.send({ reconcile: { markers: all.slice(first, first + 500).map((name) => `${name}:${OPENING}`) } });
      }
    };
    sweep();
    const last = all.at(-1)?.slice(0, -resource.length - 1) ?? '';
    await eventually('all were seen', async () => (await system.info(last)).outcome === 'OUTCOME_COMMITTED');
    sweep(); // Each is deleted once, however often it is told.
    // Counted by message and named once: a look at sixty thousand names, many times a second, would take the time of who is tested.
    const deleted = (): number => orders.heard('forget').reduce((sum, { branches }) => sum + branches.length, 0);
    await eventually('all are deleted', () => deleted() === all.length);
    expect(new Set(forgotten(orders))).toEqual(new Set(all));
    expect(orders.status).toBeUndefined();
  });

  it('beyond what is remembered goes sooner, the oldest first', async () => {
    await using system = await openSystem({ clock: new TestClock(1) });
    const { identity } = system.log.recovered;
    const orders = (await system.participant('orders')).beat(500);
    const all = Array.from({ length: 100_500 }, (_, n) => `${identity}.0.${(n + 1).toString(36)}:orders`);
    for (let first = 0; first < all.length; first += 500) {
      orders.send({ reconcile: { markers: all.slice(first, first + 500).map((name) => `${name}:${OPENING}`) } });
    }
    await orders.hears('forget');
    expect(forgotten(orders)).toContain(all[0]);
    expect(forgotten(orders)).not.toContain(all.at(-1));
  });
});
