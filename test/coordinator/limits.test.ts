// Every limit refuses with its own reason, leaves nothing behind, and lets go again.
import { Client, credentials, Metadata, type MethodDefinition, type StatusObject } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, it } from 'vitest';
import { wire } from '../../src/wire/proto.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { HEALTH_WATCHES_MAX, PARTICIPANTS_MAX, SESSIONS_MAX } from '../../src/xa/limits.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { TestSession } from './test-session.ts';
import { openApi, refusal } from './unary.ts';

const STREAMS = 100;

describe('LIMIT_TRANSACTIONS', () => {
  it('refuses a Begin beyond the open transactions, by unary call and in a session, until one has ended', async () => {
    await using system = await openSystem({ openTransactionsMax: 3 });
    const session = await system.session();
    const { gtrid } = await system.api.begin({});
    await system.api.begin({});
    session.send({ id: session.id(), begin: { gtrid: session.gtrid() } });
    await eventually('all are open', () => system.coordinator.transactions.liveCount === 3);
    expect(await refusal(system.api.begin({}))).toMatchObject({ status: 8, code: 'LIMIT_TRANSACTIONS' });
    const begin = { gtrid: session.gtrid() };
    expect((await session.ask({ begin })).error).toMatchObject({ reason: 'LIMIT_TRANSACTIONS', retryable: true });
    await system.api.rollback({ gtrid });
    session.send({ id: session.id(), begin });
    await eventually('it is open now', () => system.coordinator.transactions.live(begin.gtrid as Gtrid) !== undefined);
  });

  it('leaves half of the places to others, whatever one connection of unary calls has taken (security X12)', async () => {
    await using system = await openSystem({ openTransactionsMax: 100 });
    const honest = await system.session();
    const other = openApi(system.address);
    for (let n = 0; n < 50; n += 1) {
      await other.begin({ timeoutMs: 86_400_000 });
    }
    expect(await refusal(other.begin({}))).toMatchObject({
      code: 'LIMIT_TRANSACTIONS',
      message: '50 transactions are open already, too many of them by this connection',
    });
    other.close();
    const gtrid = honest.gtrid();
    honest.send({ id: honest.id(), begin: { gtrid } });
    expect((await honest.ask({ rollback: { gtrid } })).rollback?.outcome).toBe('OUTCOME_ROLLED_BACK');
    const { gtrid: unary } = await system.api.begin({});
    await system.api.rollback({ gtrid: unary });
  });

  it('does not count what is decided and waits for a participant that is away (D11, faults F89)', async () => {
    await using system = await openSystem({ openTransactionsMax: 2 });
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { finish: silent });
    for (let n = 0; n < 5; n += 1) {
      const { gtrid } = await system.transaction(accounts, orders);
      await system.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    }
    expect((await system.api.list({})).transactions).toHaveLength(5);
    await system.api.begin({});
    await system.restart();
    await system.api.begin({});
  });

  it('does not take a report of a leased id for a transaction beyond it: the branch is rolled back', async () => {
    await using system = await openSystem({ openTransactionsMax: 1 });
    const orders = await system.participant('orders');
    const session = await system.session();
    await system.api.begin({});
    const gtrid = session.gtrid();
    orders.send({ opened: { gtrid, bqual: 'orders' } });
    await orders.hears('finish');
    expect(orders.told).toEqual(['rollback orders']);
    expect((await session.ask({ begin: { gtrid } })).error?.reason).toBe('LIMIT_TRANSACTIONS');
  });

  it('is certain: a Commit in the same frame as its Begin finds nothing, however many outcomes are forgotten', async () => {
    await using system = await openSystem({ openTransactionsMax: 1, outcomesMax: 1 });
    await system.participant('orders');
    const session = await system.session();
    for (let count = 0; count < 3; count += 1) {
      await system.api.rollback({ gtrid: (await system.api.begin({})).gtrid });
    }
    await system.api.begin({});
    const gtrid = session.gtrid();
    const [begin, commit] = [session.id(), session.id()];
    session.send({ id: begin, begin: { gtrid } }, { id: commit, commit: { gtrid, branches: [{ bqual: 'orders' }] } });
    expect((await session.answer(commit)).error?.reason).toBe('TXN_NOT_FOUND');
    expect(session.received.slice(-2).map(({ error }) => error?.reason)).toEqual([
      'LIMIT_TRANSACTIONS',
      'TXN_NOT_FOUND',
    ]);
  });

  it('is for good: branches that are reported after the refusal are rolled back at once, although there is room again', async () => {
    await using system = await openSystem({ openTransactionsMax: 1 });
    const orders = await system.participant('orders');
    const accounts = await system.participant('accounts');
    const session = await system.session();
    const { gtrid: open } = await system.api.begin({});
    const gtrid = session.gtrid();
    await session.ask({ begin: { gtrid } });
    await system.api.rollback({ gtrid: open });
    orders.send({ vote: { gtrid, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: { row: 'xbaaaaaaaaaa' } } });
    accounts.send({ opened: { gtrid, bqual: 'accounts' } });
    await Promise.all([orders.hears('finish'), accounts.hears('finish')]);
    expect([...orders.told, ...accounts.told]).toEqual(['rollback orders', 'rollback accounts']);
    const branches = [orders, accounts].map(({ resource: bqual, instance }) => ({ bqual, instance }));
    expect((await session.ask({ commit: { gtrid, branches } })).error?.reason).toBe('TXN_NOT_FOUND');
  });

  it('does not refuse a Begin whose report has taken the last place already', async () => {
    await using system = await openSystem({ openTransactionsMax: 1 });
    const orders = await system.participant('orders');
    const session = await system.session();
    const gtrid = session.gtrid();
    orders.send({ opened: { gtrid, bqual: 'orders' } });
    await eventually('the report is in', () => system.coordinator.transactions.liveCount === 1);
    const [begin, commit] = [session.id(), session.id()];
    const branches = [{ bqual: 'orders', instance: orders.instance }];
    session.send({ id: begin, begin: { gtrid } }, { id: commit, commit: { gtrid, branches } });
    expect((await session.answer(commit)).commit?.outcome).toBe('OUTCOME_COMMITTED');
    expect(session.answers(begin)).toBe(0);
  });

  it('refuses a Begin whose report found no place and was rolled back, also when there is room again', async () => {
    await using system = await openSystem({ openTransactionsMax: 1 });
    const orders = await system.participant('orders');
    const session = await system.session();
    const { gtrid: open } = await system.api.begin({});
    const gtrid = session.gtrid();
    orders.send({ opened: { gtrid, bqual: 'orders' } });
    await orders.hears('finish');
    await system.api.rollback({ gtrid: open });
    expect((await session.ask({ begin: { gtrid } })).error).toMatchObject({
      reason: 'TXN_ROLLED_BACK',
      metadata: { retryable: 'true' },
    });
  });
});

describe('LIMIT_BRANCHES', () => {
  it('rolls back a transaction whose participants open more than are allowed', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    orders.send(...Array.from({ length: 65 }, (_, n) => ({ opened: { gtrid, bqual: `orders.${n + 1}` } })));
    await orders.hears('finish', 65);
    expect((await refusal(system.api.commit({ gtrid }))).code).toBe('LIMIT_BRANCHES');
  });
});

describe('LIMIT_SESSIONS', () => {
  it('refuses the session beyond a thousand, and takes one again when another has ended', async () => {
    await using system = await openSystem();
    const sessions: TestSession[] = [];
    await using stack = new AsyncDisposableStack();
    for (let n = 0; n < SESSIONS_MAX; n += 1) {
      const beside = sessions.at(-1);
      const session = new TestSession(system.address, beside !== undefined && n % STREAMS !== 0 ? { beside } : {});
      sessions.push(stack.use(session));
      session.send({ id: 1, hello: { ...PROTOCOL } });
    }
    await eventually('all are welcomed', () => sessions.every((session) => session.received.length > 0));
    const beyond = stack.use(new TestSession(system.address));
    expect(await beyond.ended()).toMatchObject({ code: 8 });
    sessions[0]?.cut();
    await eventually('there is room again', async () => {
      await using next = new TestSession(system.address);
      next.send({ id: 1, hello: { ...PROTOCOL } });
      await eventually('an answer', () => next.status !== undefined || next.received.length > 0);
      return next.heard('welcome').length > 0;
    });
  });
});

describe('participants', () => {
  it('are refused beyond a thousand streams, and those that were cut or refused do not count for ever', async () => {
    await using system = await openSystem();
    const insecure = credentials.createInsecure();
    const wave = async (count: number): Promise<number[]> => {
      const codes: number[] = [];
      const clients = Array.from({ length: Math.ceil(count / STREAMS) }, () => {
        return new wire.ParticipantService(system.address, insecure, { 'grpc.use_local_subchannel_pool': 1 });
      });
      const streams = Array.from({ length: count }, (_, n) => {
        const stream = clients[Math.floor(n / STREAMS)]?.Attach();
        stream?.on('error', () => undefined).on('data', () => undefined);
        stream?.on('status', ({ code }: StatusObject) => codes.push(code));
        // Every third one is refused for what it says, the others say nothing.
        stream?.write({ messages: n % 3 === 0 ? [{ ready: { epoch: 1 } }] : [{ heartbeat: {} }] });
        return stream;
      });
      await eventually('the refused ones are over', () => codes.length >= Math.ceil(count / 3));
      for (const stream of streams) {
        stream?.cancel();
      }
      await eventually('all are over', () => codes.length === count);
      for (const client of clients) {
        client.close();
      }
      return codes;
    };
    for (let round = 0; round < 3; round += 1) {
      expect((await wave(400)).filter((code) => code === 8)).toEqual([]);
    }
    expect((await wave(PARTICIPANTS_MAX + 600)).filter((code) => code === 8).length).toBeGreaterThan(0);
    await system.participant('orders');
  });
});

describe('health watches', () => {
  it('are refused beyond a thousand over all connections, and those that were cut do not count (security X24)', async () => {
    await using system = await openSystem();
    const method = healthService['Watch'] as MethodDefinition<{ service: string }, { status: string }>;
    const open = async (count: number) => {
      const told: string[] = [];
      const codes: number[] = [];
      const clients = Array.from({ length: Math.ceil(count / STREAMS) }, () => {
        return new Client(system.address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
      });
      const streams = Array.from({ length: count }, (_, n) => {
        const { path, requestSerialize, responseDeserialize } = method;
        const request = { service: '' };
        const stream = clients[Math.floor(n / STREAMS)]?.makeServerStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
        );
        stream?.on('data', ({ status }) => told.push(status)).on('error', () => undefined);
        stream?.on('status', ({ code }: StatusObject) => codes.push(code));
        return stream;
      });
      await eventually('each has an answer', () => told.length + codes.length >= count);
      const refused = [...codes];
      // A client that is closed leaves its open streams to their own end.
      for (const stream of streams) {
        stream?.cancel();
      }
      for (const client of clients) {
        client.close();
      }
      return { served: told.filter((status) => status === 'SERVING').length, refused };
    };
    const wave = await open(HEALTH_WATCHES_MAX + 300);
    expect(wave.served).toBe(HEALTH_WATCHES_MAX);
    expect(wave.refused.filter((code) => code === 8)).toHaveLength(300);
    await eventually('there is room again', async () => (await open(200)).refused.length === 0);
    expect((await system.api.health({ service: '' })).status).toBe('SERVING');
  });
});

describe('LIMIT_METADATA', () => {
  it('holds for streams too', async () => {
    await using system = await openSystem();
    const metadata = new Metadata();
    metadata.set('x-large', 'x'.repeat(20_000));
    await using session = new TestSession(system.address, { metadata });
    expect(await session.ended()).toMatchObject({ code: 8 });
    const client = new wire.ParticipantService(system.address, credentials.createInsecure());
    const stream = client.Attach(metadata);
    stream.on('error', () => undefined);
    const status = await new Promise<StatusObject>((resolve) => stream.on('status', resolve));
    expect(status.code).toBe(8);
    client.close();
  });
});
