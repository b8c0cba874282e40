// The session with the coordinator: connecting, numbering, batching, losing it and coming back.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Concordat, ConcordatError, connect } from '../../src/client/index.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { eventually } from '../support/eventually.ts';
import { IDENTITY, refusal, startCoordinator } from './scripted-coordinator.ts';
import { startResource } from './scripted-resource.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

async function caught(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('where nobody listens, connect rejects in its time with a sentence that names the address', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const started = performance.now();
  const error = await caught(connect(address, { connectTimeoutMs: 300 }));
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(error).toBeInstanceOf(ConcordatError);
  expect(error).toMatchObject({ code: 'CONNECTION_LOST', retryable: true });
  expect((error as Error).message).toContain(`The coordinator at ${address} cannot be reached`);
  expect((error as Error).message).toContain('Check that it runs there');
});

test('a peer that takes the connection and never answers does not hold connect beyond its time', async () => {
  await using coordinator = await startCoordinator();
  coordinator.on('hello', () => undefined);
  const error = await caught(connect(coordinator.address, { connectTimeoutMs: 300 }));
  expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
});

test('another protocol version is refused at once, not after the time to connect', async () => {
  await using coordinator = await startCoordinator();
  coordinator.on('hello', () => refusal('PROTOCOL'));
  const started = performance.now();
  const error = await caught(connect(coordinator.address, { connectTimeoutMs: 20_000 }));
  expect(error).toMatchObject({ code: 'PROTOCOL', retryable: false });
  expect(performance.now() - started).toBeLessThan(5_000);
});

test('a coordinator that has chosen a protocol of its own is refused, and it is said what to upgrade', async () => {
  await using coordinator = await startCoordinator();
  coordinator.protocol = 0;
  const error = await caught(connect(coordinator.address, { connectTimeoutMs: 20_000 }));
  expect(error).toMatchObject({ code: 'PROTOCOL', message: expect.stringContaining('upgrade the coordinator') });
});

test('an abort ends the wait for the first connection with its own reason', async () => {
  await using coordinator = await startCoordinator();
  coordinator.on('hello', () => undefined);
  const controller = new AbortController();
  const connecting = caught(connect(coordinator.address, { signal: controller.signal }));
  const reason = new Error('changed my mind');
  controller.abort(reason);
  expect(await connecting).toBe(reason);
});

test('a coordinator that shuts down is waited for', async () => {
  await using coordinator = await startCoordinator();
  let refused = 0;
  coordinator.on('hello', () => {
    refused++;
    if (refused === 2) {
      coordinator.scripts.delete('hello');
    }
    return refusal('DRAINING', { retryable: true });
  });
  await using concordat = await connect(coordinator.address, { application: 'billing' });
  expect(refused).toBe(2);
  expect(coordinator.heard('hello').at(-1)).toMatchObject({
    application: 'billing',
    ...PROTOCOL,
  });
  await concordat.transaction(() => undefined);
});

test('transactions are numbered from the lease, and their Begin is answered by nobody', async () => {
  await using coordinator = await startCoordinator();
  await using concordat = await connect(coordinator.address);
  const first = concordat.begin({ timeoutMs: 1_500 });
  const second = concordat.begin();
  expect([first.gtrid, second.gtrid]).toEqual([`${IDENTITY}.1.0`, `${IDENTITY}.1.1`]);
  await first.commit();
  await second.commit();
  expect(coordinator.heard('begin')).toMatchObject([
    { gtrid: first.gtrid, timeoutMs: 1_500 },
    { gtrid: second.gtrid, timeoutMs: 0 },
  ]);
});

test('everything that is said in one turn leaves as one frame', async () => {
  await using coordinator = await startCoordinator();
  await using concordat = await connect(coordinator.address);
  await Promise.all([1, 2, 3].map(() => concordat.transaction(() => undefined)));
  const begins = coordinator.frames.filter((frame) => frame.includes('begin'));
  expect(begins).toHaveLength(1);
  expect(begins[0]?.filter((verb) => verb === 'begin')).toHaveLength(3);
});

test('the lease is renewed at its half, and more transactions than it has numbers all run, each with its own', async () => {
  await using coordinator = await startCoordinator();
  coordinator.leaseSize = 10;
  await using concordat = await connect(coordinator.address);
  for (let n = 0; n < 4; n++) {
    await concordat.begin().commit();
  }
  expect(coordinator.heard('lease')).toHaveLength(0);
  await concordat.begin().commit();
  expect(coordinator.heard('lease')).toHaveLength(1);
  const gtrids = await Promise.all(Array.from({ length: 100 }, () => concordat.transaction((tx) => tx.gtrid)));
  expect(new Set(gtrids).size).toBe(100);
});

test('without a number or a connection begin says so, and ready waits for it', async () => {
  await using coordinator = await startCoordinator();
  coordinator.leaseSize = 1;
  let lease: (() => void) | undefined;
  coordinator.on('lease', (_message, session) => {
    lease = () => session.send({ id: _message.id, lease: { first: 500, count: 1 } });
    return undefined;
  });
  await using concordat = await connect(coordinator.address, { connectTimeoutMs: 5_000 });
  await concordat.begin().commit();
  expect(() => concordat.begin()).toThrowError(expect.objectContaining({ code: 'CONNECTION_LOST', retryable: true }));
  const ready = concordat.ready();
  (await eventually('the lease request', () => lease))();
  await ready;
  expect(concordat.begin().gtrid).toBe(`${IDENTITY}.1.dw`);
});

test('a transaction begun while the coordinator is away runs as soon as it is back, in the new epoch', async () => {
  await using coordinator = await startCoordinator();
  await using concordat = await connect(coordinator.address);
  await coordinator.die();
  await eventually('the loss is noticed', () => throwsAtBegin(concordat));
  const running = concordat.transaction((tx) => tx.gtrid);
  await coordinator.comeBack();
  expect(await running).toBe(`${IDENTITY}.2.rs`);
});

function throwsAtBegin(concordat: Concordat): boolean {
  try {
    void concordat.begin().rollback();
    return false;
  } catch {
    return true;
  }
}

test('a transaction begun while the coordinator stays away is refused as retryable, in the time to connect', async () => {
  await using coordinator = await startCoordinator();
  await using concordat = await connect(coordinator.address, { connectTimeoutMs: 400 });
  await coordinator.die();
  await eventually('the loss is noticed', () => throwsAtBegin(concordat));
  let called = false;
  const error = await caught(
    concordat.transaction(() => {
      called = true;
    }),
  );
  expect(error).toMatchObject({ code: 'CONNECTION_LOST', retryable: true });
  expect(called).toBe(false);
});

test('the directory follows what the coordinator tells', async () => {
  await using coordinator = await startCoordinator();
  coordinator.entries = [{ name: 'orders', engine: 'mariadb', address: '' }];
  await using concordat = await connect(coordinator.address);
  expect(concordat.resources()).toEqual([{ name: 'orders', engine: 'mariadb', available: false }]);
  coordinator.setDirectory([
    { name: 'orders', engine: 'mariadb', address: '127.0.0.1:1' },
    { name: 'accounts', engine: 'postgresql', address: '127.0.0.1:2' },
  ]);
  await eventually('the new directory', () => concordat.resources().length === 2);
  expect(concordat.resources()).toEqual([
    { name: 'accounts', engine: 'postgresql', available: true },
    { name: 'orders', engine: 'mariadb', available: true },
  ]);
});

test('closing rolls back what is open, waits for a commit under way, ends the stream, and is harmless twice', async () => {
  await using coordinator = await startCoordinator();
  const concordat = await connect(coordinator.address);
  const open = concordat.begin();
  const committing = concordat.begin();
  let decide: (() => void) | undefined;
  coordinator.on('commit', ({ id }, session) => {
    decide = () => session.send({ id, commit: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' } });
    return undefined;
  });
  const commit = committing.commit();
  let closed = false;
  const closing = concordat.close().then(() => {
    closed = true;
  });
  await eventually('the rollback', () => coordinator.heard('rollback').some(({ gtrid }) => gtrid === open.gtrid));
  (await eventually('the commit request', () => decide))();
  expect(closed).toBe(false);
  expect(await commit).toEqual({ outcome: 'committed', applied: true });
  await closing;
  await coordinator.sessions[0]?.ended;
  await concordat.close();
  expect(() => concordat.begin()).toThrowError(expect.objectContaining({ code: 'TXN_STATE', retryable: false }));
  await expect(concordat.transaction(() => 1)).rejects.toMatchObject({ code: 'TXN_STATE' });
});

test('an application that enlists no connection loads neither database driver', async () => {
  const module = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url));
  const program = `
    import { createRequire } from 'node:module';
    import ${JSON.stringify(module)};
    const loaded = Object.keys(createRequire(process.argv[1]).cache).join('\\n');
    console.log(JSON.stringify({ grpc: loaded.includes('grpc-js'), drivers: /node_modules.(?:pg|mysql2)\\b/.test(loaded) }));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, module], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const words = await text(child.stdout);
  expect(JSON.parse(words)).toEqual({ grpc: true, drivers: false });
});

test('a closed client holds up no process', async () => {
  await using coordinator = await startCoordinator();
  await using accounts = await startResource();
  coordinator.entries = [accounts.entry('accounts')];
  const module = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url));
  const program = `
    import { connect } from ${JSON.stringify(module)};
    const concordat = await connect(process.argv[1]);
    await concordat.transaction((tx) => tx.resource('accounts').query('select 1'));
    concordat.begin();
    await concordat.close();
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, coordinator.address], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  try {
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(0);
  } finally {
    child.kill('SIGKILL');
  }
}, 15_000);
