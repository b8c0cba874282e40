// What the bench counts beside its contest: a tap carries everything unchanged, and its meters count what was really said.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Messages } from '../../bench/counting/messages.ts';
import { RoundTrips } from '../../bench/counting/round-trips.ts';
import { openTap } from '../../bench/counting/tap.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { openSystem } from '../coordinator/fixture.ts';
import { TestSession } from '../coordinator/test-session.ts';

const port = (address: string): number => Number(address.split(':').at(-1));

describe('round trips', () => {
  test('are questions, however many pieces question and answer have', async () => {
    const roundTrips = new RoundTrips();
    const server = createServer((socket) => {
      socket.on('data', (bytes) => socket.write(`(${bytes.toString()}`, () => socket.write(')')));
      socket.on('end', () => socket.end());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    await using tap = await openTap((server.address() as AddressInfo).port, () => roundTrips.meter());
    const socket = connect(tap.port, '127.0.0.1').setEncoding('utf8');
    let heard = '';
    const answered = (text: string): Promise<void> =>
      new Promise((resolve) => {
        socket.on('data', () => heard === text && resolve());
      });
    socket.on('data', (text: string) => {
      heard += text;
    });
    for (const [question, all] of [
      ['a', '(a)'],
      ['bc', '(a)(bc)'],
    ] as const) {
      const done = answered(all);
      socket.write(question);
      await done;
    }
    expect(roundTrips.count).toBe(2);
    socket.end();
    await once(socket, 'close');
    server.close();
  });

  test('do not count what is said before the answer to what was said before', () => {
    const roundTrips = new RoundTrips();
    const [one, other] = [roundTrips.meter(), roundTrips.meter()];
    const bytes = Buffer.from('x');
    one.there(bytes);
    one.there(bytes);
    other.there(bytes);
    one.back(bytes);
    one.back(bytes);
    one.there(bytes);
    expect(roundTrips.count).toBe(3);
  });
});

describe('messages', () => {
  test('are counted one by one, in whatever frames they come', async () => {
    const messages = new Messages();
    await using system = await openSystem();
    await using tap = await openTap(port(system.address), () => messages.meter());
    await using session = new TestSession(tap.address);
    await session.ask({ hello: { ...PROTOCOL, application: 'test' } });
    // Hello, and its welcome.
    expect(messages.count).toBe(2);
    const [first, second] = [session.gtrid(), session.gtrid()];
    const [one, other] = [session.id(), session.id()];
    session.send({ id: 0, begin: { gtrid: first } }, { id: 0, begin: { gtrid: second } });
    session.send({ id: one, rollback: { gtrid: first } }, { id: other, rollback: { gtrid: second } });
    await Promise.all([session.answer(one), session.answer(other)]);
    expect(messages.count).toBe(2 + 4 + 2);
  });

  test('are counted when they are whole, wherever the network cuts them', () => {
    // The stand-in of a stream: a frame with one gRPC message, which is a batch of two messages of three bytes.
    const batch = Buffer.from([0x0a, 3, 1, 2, 3, 0x0a, 3, 4, 5, 6]);
    const message = Buffer.concat([Buffer.from([0, 0, 0, 0, batch.length]), batch]);
    const frame = Buffer.concat([Buffer.from([0, 0, message.length, 0, 0, 0, 0, 0, 1]), message]);
    // Headers look like anything, and are no messages.
    const headers = Buffer.from([0, 0, 4, 1, 4, 0, 0, 0, 1, 0x0a, 1, 0x0a, 1]);
    const said = Buffer.concat([headers, frame, frame]);
    for (let size = 1; size <= said.length; size += 1) {
      const messages = new Messages();
      const meter = messages.meter();
      for (let at = 0; at < said.length; at += size) {
        meter.back(said.subarray(at, at + size));
      }
      expect(messages.count, `in pieces of ${size}`).toBe(4);
    }
  });
});
