// A client's session: pipelined verbs, leased ids, and what becomes of its transactions when it ends.

import { describe, expect, it } from 'vitest';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { TestSession } from './test-session.ts';
import { refusal } from './unary.ts';

describe('a session', () => {
  it('is welcomed with what a client needs: the log, a lease, the directory, the limits', async () => {
    await using system = await openSystem({ defaultTimeoutMs: 4_321 });
    const orders = await system.participant('orders');
    const { welcome } = await system.session();
    const { identity, epoch } = system.log.recovered;
    expect(welcome).toMatchObject({
      logIdentity: identity,
      epoch: String(epoch),
      lease: { first: '0', count: 1_000 },
      defaultTimeoutMs: 4_321,
      timeoutMaxMs: 86_400_000,
      resources: { entries: [{ name: 'orders', instance: orders.instance, engine: 'memory' }] },
    });
  });

  it('begins, claims and commits in one frame', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const session = await system.session();
    const gtrid = session.gtrid();
    const [begin, commit] = [session.id(), session.id()];
    const branches = [accounts, orders].map(({ resource: bqual, instance }) => ({ bqual, instance }));
    session.send({ id: begin, begin: { gtrid } }, { id: commit, commit: { gtrid, branches } });
    const answer = await session.answer(commit);
    expect(answer.commit).toMatchObject({ gtrid, outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' });
    expect(session.answers(begin)).toBe(0);
    expect(session.answers(commit)).toBe(1);
  });

  it('offers every verb', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const session = await system.session();
    const gtrid = session.gtrid();
    session.send({ id: session.id(), begin: { gtrid, timeoutMs: 60_000 } });
    expect((await session.ask({ enlist: { gtrid, resource: 'orders' } })).enlist?.bqual).toBe('orders');
    expect((await session.ask({ getTransaction: { gtrid } })).getTransaction?.transaction?.state).toBe(
      'TRANSACTION_STATE_ACTIVE',
    );
    expect((await session.ask({ setRollbackOnly: { gtrid } })).setRollbackOnly?.gtrid).toBe(gtrid);
    expect((await session.ask({ rollback: { gtrid } })).rollback?.outcome).toBe('OUTCOME_ROLLED_BACK');
    expect((await session.ask({ lease: {} })).lease).toEqual({ first: '1000', count: 1_000 });
    const unknown = await session.ask({ getTransaction: { gtrid: session.gtrid() } });
    expect(unknown.error).toMatchObject({ code: 5, reason: 'TXN_NOT_FOUND' });
  });

  it('is told of resources that come and go', async () => {
    await using system = await openSystem();
    const session = await system.session();
    const orders = await system.participant('orders');
    expect((await session.hears('resources')).entries).toMatchObject([{ name: 'orders', instance: orders.instance }]);
    orders.cut();
    expect((await session.hears('resources', 2)).entries).toMatchObject([
      { name: 'orders', instance: '', address: '' },
    ]);
  });

  it('refuses another first message than hello, and another protocol', async () => {
    await using system = await openSystem();
    await using session = new TestSession(system.address);
    expect((await session.ask({ lease: {} })).error).toMatchObject({ reason: 'PROTOCOL', code: 9 });
    const { protocolHighest } = PROTOCOL;
    const [next, last] = [protocolHighest + 1, protocolHighest + 3];
    const hello = await session.ask({ hello: { protocolLowest: next, protocolHighest: last } });
    expect(hello.error).toMatchObject({ reason: 'PROTOCOL' });
    expect(hello.error?.message).toContain(
      `speaks protocol ${protocolHighest}, the client protocols ${next} to ${last}: upgrade the coordinator`,
    );
    expect((await session.ask({})).error).toMatchObject({ reason: 'PROTOCOL' });
    expect(system.coordinator.transactions.liveCount).toBe(0);
  });

  it('speaks the highest protocol that the client speaks as well, and says which', async () => {
    await using system = await openSystem();
    await using session = new TestSession(system.address);
    const { protocolHighest } = PROTOCOL;
    const hello = { protocolLowest: protocolHighest, protocolHighest: protocolHighest + 9 };
    expect((await session.ask({ hello })).welcome?.protocol).toBe(protocolHighest);
  });

  it('ends with LIMIT_FRAME when a frame carries too many messages, and does none of them', async () => {
    await using system = await openSystem();
    const session = await system.session();
    const frame = Array.from({ length: 201 }, () => ({ id: session.id(), begin: { gtrid: session.gtrid() } }));
    session.send(...frame);
    session.send({ id: session.id(), begin: { gtrid: session.gtrid() } });
    expect(await session.ended()).toMatchObject({ code: 8 });
    expect(system.coordinator.transactions.liveCount).toBe(0);
  });

  it('answers nothing to messages with the id 0, which want no answer', async () => {
    await using system = await openSystem();
    const session = await system.session();
    const gtrid = session.gtrid();
    session.send(
      { id: 0, begin: { gtrid } },
      { id: 0, setRollbackOnly: { gtrid } },
      { id: 0, commit: { gtrid } },
      { id: 0, getTransaction: { gtrid } },
      { id: 0, lease: {} },
      { id: 0 },
    );
    await eventually('the commit was done', async () => (await system.info(gtrid)).outcome === 'OUTCOME_ROLLED_BACK');
    await session.ask({ getTransaction: { gtrid } });
    expect(session.answers(0)).toBe(0);
  });

  it('keeps the full frame of two hundred', async () => {
    await using system = await openSystem();
    const session = await system.session();
    session.send(...Array.from({ length: 200 }, () => ({ id: session.id(), begin: { gtrid: session.gtrid() } })));
    await eventually('all are begun', () => system.coordinator.transactions.liveCount === 200);
  });
});

describe('leased ids', () => {
  it('are the session’s own: another one cannot begin under them', async () => {
    await using system = await openSystem();
    const [one, other] = [await system.session(), await system.session()];
    const gtrid = one.gtrid();
    expect((await other.ask({ begin: { gtrid } })).error).toMatchObject({ reason: 'FIELD_INVALID', code: 3 });
    expect((await refusal(system.api.begin({ gtrid }))).code).toBe('FIELD_INVALID');
    expect(system.coordinator.transactions.liveCount).toBe(0);
  });

  it('are not lent by a session that has ended', async () => {
    await using system = await openSystem();
    const session = await system.session();
    const gtrid = session.gtrid();
    session.end();
    await session.ended();
    const other = await system.session();
    expect((await other.ask({ begin: { gtrid } })).error?.reason).toBe('FIELD_INVALID');
    expect(other.welcome.lease?.first).toBe('1000');
  });

  it('must be used in a session: a Begin without one could never be answered', async () => {
    await using system = await openSystem();
    const session = await system.session();
    expect((await session.ask({ begin: {} })).error).toMatchObject({ reason: 'FIELD_INVALID' });
    expect(system.coordinator.transactions.liveCount).toBe(0);
  });

  it('count as live: a vote that overtakes its Begin waits for it', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const session = await system.session();
    const gtrid = session.gtrid();
    orders.send({ vote: { gtrid, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: { row: 'xbaaaaaaaaaa' } } });
    accounts.send({ opened: { gtrid, bqual: 'accounts' } });
    await eventually('both reports are in', async () => {
      const { state, branches } = await system.info(gtrid).catch(() => ({ state: '', branches: [] }));
      return state === 'TRANSACTION_STATE_ACTIVE' && branches.length === 2;
    });
    session.send({ id: session.id(), begin: { gtrid, timeoutMs: 86_400_000 } });
    await eventually(
      'its time limit is the one of Begin',
      async () => Number((await system.info(gtrid)).deadlineInMs) > 80_000_000,
    );
    const branches = [accounts, orders].map(({ resource: bqual, instance }) => ({ bqual, instance }));
    expect((await session.ask({ commit: { gtrid, branches } })).commit?.outcome).toBe('OUTCOME_COMMITTED');
    expect(orders.heard('prepare')).toEqual([]);
  });

  it('that were reported and never begun are rolled back when the session ends', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const session = await system.session();
    const gtrid = session.gtrid();
    orders.send({ vote: { gtrid, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: { row: 'xbaaaaaaaaaa' } } });
    await eventually('the report is in', () => system.coordinator.transactions.liveCount === 1);
    session.cut();
    await orders.hears('finish');
    expect(orders.told).toEqual(['rollback orders']);
  });

  it('that are found prepared and never begun are rolled back in time, although their session lives on', async () => {
    await using system = await openSystem({ defaultTimeoutMs: 300 });
    const orders = await system.participant('orders');
    const session = await system.session();
    const branch = { gtrid: session.gtrid(), bqual: 'orders', evidence: { row: 'x7aaaaaaaaaa' }, ageMs: 60_000 };
    orders.send({ reconcile: { branches: [branch] } });
    await orders.hears('finish');
    expect(orders.told).toEqual(['rollback orders']);
    expect(session.heard('ended')).toMatchObject([{ gtrid: branch.gtrid, outcome: 'OUTCOME_ROLLED_BACK' }]);
  });

  it('begin once: a late vote revives no transaction whose outcome has been forgotten, and no Begin does', async () => {
    await using system = await openSystem({ outcomesMax: 1 });
    const orders = await system.participant('orders');
    const session = await system.session();
    const [gtrid, other] = [session.gtrid(), session.gtrid()];
    for (const id of [gtrid, other]) {
      session.send({ id: 0, begin: { gtrid: id } });
      await session.ask({ rollback: { gtrid: id } });
    }
    orders.send({ vote: { gtrid, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: { row: 'x7aaaaaaaaaa' } } });
    await orders.hears('finish');
    expect(orders.told).toEqual(['rollback orders']);
    const branches = [{ bqual: 'orders', instance: orders.instance }];
    expect((await session.ask({ commit: { gtrid, branches } })).commit?.outcome).toBeUndefined();
    expect((await session.ask({ begin: { gtrid: other } })).error?.reason).toBe('TXN_STATE');
  });

  it('that turn up when their session is over are rolled back', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const session = await system.session();
    const gtrid = session.gtrid();
    session.end();
    await session.ended();
    orders.send({ opened: { gtrid, bqual: 'orders' } });
    await orders.hears('finish');
    expect(orders.told).toEqual(['rollback orders']);
  });
});

describe('the end of a session', () => {
  for (const how of ['end', 'cut'] as const) {
    it(`rolls back what is active and leaves what is being committed (${how}) (faults F51)`, async () => {
      await using system = await openSystem();
      const accounts = await system.participant('accounts', { prepare: silent });
      const orders = await system.participant('orders');
      const session = await system.session();
      const [active, committing] = [session.gtrid(), session.gtrid()];
      const branches = [accounts, orders].map(({ resource: bqual, instance }) => ({ bqual, instance }));
      session.send(
        { id: session.id(), begin: { gtrid: active } },
        { id: session.id(), begin: { gtrid: committing } },
        { id: session.id(), commit: { gtrid: committing, branches } },
      );
      orders.send({ opened: { gtrid: active, bqual: 'orders' } });
      await accounts.hears('prepare');
      await eventually('orders is at work', async () => (await system.info(active)).branches.length === 1);
      session[how]();
      await orders.hears('finish');
      expect(await system.info(active)).toMatchObject({
        outcome: 'OUTCOME_ROLLED_BACK',
        reason: { code: 'CLIENT_LOST' },
      });
      expect((await system.info(committing)).state).toBe('TRANSACTION_STATE_PREPARING');
      accounts.send({ vote: { gtrid: committing, bqual: 'accounts', vote: 'VOTE_PREPARED' } });
      await eventually(
        'the other is committed',
        async () => (await system.info(committing)).outcome === 'OUTCOME_COMMITTED',
      );
    });
  }

  it('is told of a transaction that its deadline ended, and only of such', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const session = await system.session();
    const [late, asked] = [session.gtrid(), session.gtrid()];
    session.send(
      { id: session.id(), begin: { gtrid: late, timeoutMs: 100 } },
      { id: session.id(), begin: { gtrid: asked } },
    );
    await session.ask({ rollback: { gtrid: asked } });
    expect(await session.hears('ended')).toMatchObject({
      gtrid: late,
      outcome: 'OUTCOME_ROLLED_BACK',
      reason: { code: 'TXN_TIMEOUT' },
    });
    expect(session.heard('ended')).toHaveLength(1);
  });

  it('is told of a transaction that one of its branches ended', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const session = await system.session();
    const gtrid = session.gtrid();
    session.send({ id: session.id(), begin: { gtrid } });
    const reason = { code: 'STATEMENT_FAILED', message: 'deadlock', retryable: true };
    orders.send(
      { opened: { gtrid, bqual: 'orders' } },
      { vote: { gtrid, bqual: 'orders', vote: 'VOTE_ROLLBACK', reason } },
    );
    expect(await session.hears('ended')).toMatchObject({
      gtrid,
      reason: { code: 'STATEMENT_FAILED', retryable: true },
    });
  });
});
