// Bytes that no library would send: the coordinator refuses them one by one, and goes on.
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import { messageType } from '../../src/wire/proto.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { openSystem, type System } from './fixture.ts';
import { field, framed, RawClient } from './raw.ts';

const EMPTY = framed(new Uint8Array());
const COMMIT = '/concordat.v1.TransactionService/Commit';
const ROLLBACK = '/concordat.v1.TransactionService/Rollback';

/** It still serves, and holds nothing that a refused request would have left. */
async function unharmed(system: System, live = 0): Promise<void> {
  expect(system.coordinator.transactions.liveCount).toBe(live);
  expect((await system.api.health({ service: '' })).status).toBe('SERVING');
}

describe('texts', () => {
  it('invalid UTF-8 and lone surrogates are refused (faults B09)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    const { gtrid } = await system.api.begin({});
    const texts = [
      [0xff, 0xfe, 0x80],
      [0xed, 0xa0, 0x80],
      [0xc0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
    ];
    for (const bytes of texts.map((text) => Buffer.from(text))) {
      expect((await raw.call({ path: COMMIT, body: framed(field(2, bytes)) })).status).toBe(3);
      expect((await raw.call({ body: framed(field(1, bytes)) })).status).toBe(3);
    }
    const surrogate = Buffer.concat([field(2, Buffer.from(gtrid)), field(3, Buffer.from([0xed, 0xa0, 0x80]))]);
    expect((await raw.call({ path: ROLLBACK, body: framed(surrogate) })).status).toBe(3);
    await unharmed(system, 1);
  });
});

describe('messages', () => {
  it('unknown fields are ignored, up to the size limit (faults B29)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    expect((await raw.call({ body: framed(field(1_000, Buffer.alloc(100 * 1024))) })).status).toBe(0);
    expect((await raw.call({ body: framed(field(1_000, Buffer.alloc(3 * 1024 * 1024))) })).status).toBe(8);
    await unharmed(system, 1);
  });

  it('a gzip bomb is refused by its decompressed size (faults B33)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    const bomb = gzipSync(field(1_000, Buffer.alloc(200 * 1024 * 1024)));
    const answer = await raw.call({ headers: { 'grpc-encoding': 'gzip' }, body: framed(bomb, 1) });
    expect(answer).toMatchObject({ status: 8, message: expect.stringContaining('decompresses') });
    const broken = await raw.call({ headers: { 'grpc-encoding': 'gzip' }, body: framed(Buffer.from('no gzip'), 1) });
    expect(broken.status).toBe(13);
    expect((await raw.call({ headers: { 'grpc-encoding': 'zstd' }, body: framed(bomb, 1) })).status).toBe(12);
    await unharmed(system);
  });

  it('that are no protobuf, too long for their frame, or cut off, are refused', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    const overlong = framed(Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x7f]));
    expect([3, 13]).toContain((await raw.call({ path: COMMIT, body: overlong })).status);
    expect((await raw.call({ body: Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]) })).status).toBe(8);
    expect((await raw.call({ body: Buffer.from([0, 0, 0]) })).status).not.toBe(0);
    expect((await raw.call({ body: Buffer.concat([EMPTY, EMPTY]) })).status).toBe(12);
    expect((await raw.call({})).status).toBe(12);
    await unharmed(system);
  });

  it('of a session that are garbage end it, and nobody else', async () => {
    await using system = await openSystem();
    const session = await system.session();
    await using raw = new RawClient(system.address);
    const path = '/concordat.v1.TransactionService/Session';
    const garbage = framed(Buffer.from([0x0a, 0xff, 0xff, 0x03]));
    expect((await raw.call({ path, body: garbage, open: true })).status).toBe(13);
    const attach = '/concordat.v1.ParticipantService/Attach';
    expect((await raw.call({ path: attach, body: garbage, open: true })).status).toBe(13);
    expect((await session.ask({ lease: {} })).lease?.count).toBe(1_000);
  });

  it('with two members of a oneof are one message: one of them is done, and answered once (faults B28)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    const { gtrid } = await system.api.begin({});
    const type = messageType<ClientMessage>('concordat.v1.ClientMessage');
    const hello = type.serialize({ id: 1, hello: { ...PROTOCOL } });
    const both = Buffer.concat([type.serialize({ id: 2, rollback: { gtrid } }), type.serialize({ commit: { gtrid } })]);
    const body = framed(Buffer.concat([field(1, hello), field(1, both)]));
    expect((await raw.call({ path: '/concordat.v1.TransactionService/Session', body })).status).toBe(0);
    expect(['OUTCOME_COMMITTED', 'OUTCOME_ROLLED_BACK']).toContain((await system.info(gtrid)).outcome);
    await unharmed(system);
  });
});

describe('headers', () => {
  it('malformed and overlong deadlines never harm more than their own call (faults B38)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    for (const timeout of ['1x', '-1S', 'S', '', '123456789S', '9'.repeat(20), '12345678901234567890H']) {
      const { status } = await raw.call({ headers: { 'grpc-timeout': timeout }, body: EMPTY });
      expect([0, 13], timeout).toContain(status);
    }
    for (const timeout of ['0m', '0n', '1n', '597H', '99999999H', '10S']) {
      const { status } = await raw.call({ headers: { 'grpc-timeout': timeout }, body: EMPTY });
      expect([0, 4], timeout).toContain(status);
    }
    expect((await system.api.health({ service: '' })).status).toBe('SERVING');
  });

  it('too many, too large, doubled or not base64 are capped (faults B39)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    const pairs = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-key-${n}`, '1']));
    const doubled = { 'x-key': Array.from({ length: 5_000 }, () => '1') };
    const binary = { 'x-key-bin': 'A'.repeat(20_000) };
    for (const headers of [pairs, doubled, binary, { 'x-key': 'x'.repeat(60_000) }]) {
      // What the HTTP/2 library itself finds too large ends without a status.
      expect([8, undefined]).toContain((await raw.call({ headers, body: EMPTY })).status);
    }
    await using other = new RawClient(system.address);
    expect((await other.call({ headers: { 'x-key-bin': '!!! not base64 ~~~' }, body: EMPTY })).status).toBe(0);
    await unharmed(system, 1);
  });

  it('of another content type, path or method are refused (faults B36)', async () => {
    await using system = await openSystem();
    await using raw = new RawClient(system.address);
    expect((await raw.call({ headers: { 'content-type': 'application/json' }, body: EMPTY })).http).toBe(415);
    expect((await raw.call({ path: '/concordat.v1.TransactionService/Nothing', body: EMPTY })).status).toBe(12);
    expect((await raw.call({ path: '/../../etc/passwd', body: EMPTY })).status).toBe(12);
    await unharmed(system);
  });
});

describe('connections', () => {
  it('of HTTP/1.1, TLS or noise are closed, and those of gRPC go on (faults B36)', async () => {
    await using system = await openSystem();
    const [host = '', port = ''] = system.address.split(':');
    for (const noise of [
      'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
      '\0'.repeat(1_000),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0garbage!',
    ]) {
      const socket = connectTcp(Number(port), host);
      socket.on('error', () => undefined).on('data', () => undefined);
      socket.write(noise);
      socket.end();
      await once(socket, 'close');
    }
    const tls = connectTls({ host, port: Number(port), rejectUnauthorized: false });
    const [error] = await Promise.race([once(tls, 'error'), once(tls, 'close')]);
    expect(error).not.toBe(true);
    tls.destroy();
    await unharmed(system);
  });
});
