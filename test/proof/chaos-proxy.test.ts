// The links of `npm run chaos`: what each fault does to the bytes of a connection, and that healing undoes it.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Link, openLink } from '../../proof/chaos/proxy.ts';
import { eventually } from '../support/eventually.ts';

/** A server that answers everything with itself, and notes what it got. */
let server: Server;
let heard = '';
let far: Socket[] = [];
let link: Link;

beforeEach(async () => {
  heard = '';
  far = [];
  server = createServer((socket) => {
    far.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  link = await openLink(address !== null && typeof address === 'object' ? address.port : 0);
});

afterEach(async () => {
  await link[Symbol.asyncDispose]();
  for (const socket of far) {
    socket.destroy();
  }
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

interface Caller {
  readonly socket: Socket;
  got: string;
  ended: 'no' | 'end' | 'reset';
}

async function call(): Promise<Caller> {
  const socket = connect(link.port, '127.0.0.1');
  const caller: Caller = { socket, got: '', ended: 'no' };
  socket.on('data', (bytes) => {
    caller.got += bytes.toString();
  });
  socket.on('end', () => {
    caller.ended = caller.ended === 'no' ? 'end' : caller.ended;
  });
  socket.on('error', () => {
    caller.ended = 'reset';
  });
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()).once('close', () => resolve()));
  return caller;
}

async function talking(): Promise<Caller> {
  const caller = await call();
  caller.socket.write('a');
  await eventually('the first answer', () => caller.got === 'a');
  return caller;
}

/** Long enough for a byte to go round on any machine that answers at all; only what must not come is waited for like this. */
const SILENCE_MS = 150;
const silence = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SILENCE_MS));

describe('a link', () => {
  test('carries both directions, and an end in order', async () => {
    const caller = await talking();
    caller.socket.end('z');
    await eventually('the last answer and the end', () => caller.got === 'az' && far[0]?.readableEnded === true);
    far[0]?.end();
    await eventually('the end comes back', () => caller.ended === 'end' && link.connections === 0);
  });

  test('with latency delivers everything late and in order, also what is sent when it is healed', async () => {
    const caller = await talking();
    link.fail({ kind: 'latency', ms: 100 });
    const begun = performance.now();
    caller.socket.write('b');
    await eventually('the server has it', () => heard === 'ab');
    expect(performance.now() - begun).toBeGreaterThan(80);
    caller.socket.write('c');
    link.fail(undefined);
    caller.socket.write('d');
    await eventually('all of it comes back', () => caller.got === 'abcd');
  });

  test('that is partitioned delivers nothing, and all of it when it is healed', async () => {
    const caller = await talking();
    link.fail({ kind: 'partition' });
    caller.socket.write('b');
    far[0]?.write('X');
    await silence();
    expect([heard, caller.got, caller.ended]).toEqual(['a', 'a', 'no']);
    link.fail(undefined);
    await eventually('what was held', () => heard === 'ab' && caller.got.includes('X') && caller.got.includes('b'));
  });

  test('that is one-way loses one direction only', async () => {
    const caller = await talking();
    link.fail({ kind: 'one-way', lost: 'back' });
    caller.socket.write('b');
    await eventually('the server has it', () => heard === 'ab');
    await silence();
    expect(caller.got).toBe('a');
    link.fail({ kind: 'one-way', lost: 'there' });
    await eventually('the answer', () => caller.got === 'ab');
    caller.socket.write('c');
    await silence();
    expect(heard).toBe('ab');
  });

  test('that is half-open ends at the far side, and the near side hears of it when it is healed', async () => {
    const caller = await talking();
    link.fail({ kind: 'half-open' });
    await eventually('the server lost it', () => far[0]?.destroyed);
    caller.socket.write('b');
    await silence();
    expect(caller.ended).toBe('no');
    link.fail(undefined);
    await eventually('the reset', () => caller.ended === 'reset');
  });

  test('resets each connection after so many bytes, and not before', async () => {
    link.fail({ kind: 'reset', bytes: 6 });
    const caller = await talking();
    caller.socket.write('b');
    await eventually('the second answer', () => caller.got === 'ab');
    caller.socket.write('cdefgh');
    await eventually('the reset', () => caller.ended === 'reset');
    expect(link.connections).toBe(0);
  });

  test('that refuses resets what is open and what comes, until it is healed', async () => {
    const caller = await talking();
    link.fail({ kind: 'refuse' });
    await eventually('the reset', () => caller.ended === 'reset');
    const second = await call();
    await eventually('the reset of the second', () => second.ended === 'reset');
    link.fail(undefined);
    await talking();
  });
});
