// Streams that hold a place and say nothing of whose it is, and requests that are small on the wire and large in memory.
import { credentials, type StatusObject } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { AttachResponse__Output as AttachResponse } from '../../src/gen/concordat/v1/AttachResponse.ts';
import { wire } from '../../src/wire/proto.ts';
import { HELLO_MAX_MS, LIST_ENTRIES_MAX } from '../../src/xa/limits.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { field, framed, RawClient } from './raw.ts';
import { TestClock } from './test-clock.ts';
import { TestSession } from './test-session.ts';

const SPEED = 20;

describe('a stream without a hello', () => {
  it('of a client ends after five seconds, whatever else it said, and one with a hello goes on (security X13)', async () => {
    await using system = await openSystem({ clock: new TestClock(SPEED) });
    const honest = await system.session();
    await using silent = new TestSession(system.address);
    await using chatty = new TestSession(system.address);
    const chat = setInterval(() => chatty.send({ id: chatty.id(), lease: {} }), 20);
    const since = performance.now();
    expect(await silent.ended()).toMatchObject({ code: 9, details: expect.stringContaining('hello within 5 s') });
    expect(await chatty.ended()).toMatchObject({ code: 9 });
    clearInterval(chat);
    expect(performance.now() - since).toBeGreaterThan((HELLO_MAX_MS / SPEED) * 0.5);
    expect((await honest.ask({ lease: {} })).lease?.count).toBe(1_000);
  });

  it('of a participant ends after five seconds, also with heartbeats, and one with a hello goes on (security X13)', async () => {
    await using system = await openSystem({ clock: new TestClock(SPEED) });
    const orders = (await system.participant('orders')).beat(20);
    const client = new wire.ParticipantService(system.address, credentials.createInsecure());
    const stream = client.Attach();
    const told: string[] = [];
    stream.on('data', ({ messages }: AttachResponse) =>
      told.push(...messages.map(({ refused }) => refused?.message ?? '')),
    );
    stream.on('error', () => undefined);
    const ended = new Promise<StatusObject>((resolve) => stream.on('status', resolve));
    const beat = setInterval(() => stream.write({ messages: [{ heartbeat: {} }] }), 20);
    await ended;
    clearInterval(beat);
    client.close();
    expect(told.join('')).toContain('the participant did not say hello within 5 s');
    const { gtrid } = await system.transaction(orders);
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_COMMITTED');
  });
});

describe('a request with more in its lists than is read', () => {
  const empty = (tag: number, count: number): Buffer => Buffer.alloc(2 * count).fill(Buffer.from([(tag << 3) | 2, 0]));
  const MANY = 1_000_000;

  it.each([
    ['messages of a session', 'TransactionService/Session', empty(1, MANY)],
    ['branches in a session', 'TransactionService/Session', field(1, field(5, empty(3, MANY)))],
    ['bodies of one message', 'TransactionService/Session', field(1, empty(3, MANY))],
    ['messages of a participant', 'ParticipantService/Attach', empty(1, MANY)],
    ['held branches of a hello', 'ParticipantService/Attach', field(1, field(1, empty(10, MANY)))],
    ['branches of a commit', 'TransactionService/Commit', empty(3, MANY)],
    ['branches of a question', 'TransactionService/GetTransaction', empty(2, MANY)],
    ['states of a listing', 'AdminService/ListTransactions', field(3, Buffer.alloc(MANY, 1))],
  ])('is refused by name before it is in memory: %s (security X14)', async (_, method, body) => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const answer = await raw.call({ path: `/concordat.v1.${method}`, body: framed(body), open: false });
    const grown = process.memoryUsage().heapUsed - before;
    if (method.endsWith('Attach')) {
      expect(answer.status).toBe(0); // A participant hears its refusal as a message.
      expect(system.events.named('participant-refused')[0]).toMatchObject({ code: 'LIMIT_FRAME' });
    } else {
      expect(answer).toMatchObject({ status: 8, message: expect.stringContaining(`at most ${LIST_ENTRIES_MAX}`) });
    }
    expect(grown).toBeLessThan(40_000_000);
    await eventually('it serves', async () => (await system.api.health({ service: '' })).status === 'SERVING');
  });

  it('is refused at an Attach frame of more messages than a frame carries (security X14)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    await raw.call({ path: '/concordat.v1.ParticipantService/Attach', body: framed(empty(1, 201)) });
    expect(system.events.named('participant-refused')[0]).toMatchObject({ code: 'LIMIT_FRAME' });
  });
});

describe('a text that is cut short', () => {
  it('is refused, and nothing is done with what there is of it (security X14)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    const { gtrid } = await system.api.begin({});
    const whole = Buffer.from(gtrid);
    // A gtrid that is said to be longer than the bytes that come; and one that goes beyond its own branch.
    const short = Buffer.concat([Buffer.from([(2 << 3) | 2, whole.length + 20]), whole]);
    const rollback = '/concordat.v1.TransactionService/Rollback';
    expect((await raw.call({ path: rollback, body: framed(short) })).status).not.toBe(0);
    const overlong = Buffer.concat([
      field(2, whole),
      Buffer.from([(3 << 3) | 2, 3, (1 << 3) | 2, 9]),
      Buffer.alloc(9, 97),
    ]);
    expect((await raw.call({ path: rollback, body: framed(overlong) })).status).not.toBe(0);
    expect((await system.info(gtrid)).state).toBe('TRANSACTION_STATE_ACTIVE');
  });
});
