// Real servers and a real coordinator: an address that leads to another server, and a copy that runs beside its original.
import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import type { Home } from '../../src/dev/engines/home.ts';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { dialGrpc } from '../../src/participants/attach/grpc-dial.ts';
import { openParticipantRuntime, type ParticipantRuntime } from '../../src/participants/runtime/runtime.ts';
import { openEngine } from '../../src/participants/sidecar/open-engine.ts';
import { parseXid, type Xid } from '../../src/xa/xid.ts';
import { openSystem, type System } from '../coordinator/fixture.ts';
import { discard, serverDirectory, startEngine, useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { EventList, resourceName, statement } from './runtime-fixture.ts';
import { openSwitchingProxy } from './switching-proxy.ts';

const run = promisify(execFile);

interface Life extends AsyncDisposable {
  readonly runtime: ParticipantRuntime;
  readonly log: EventList;
}

/** A sidecar's inside, without its port. */
async function participant(system: System, url: string): Promise<Life> {
  const ports = { clock: systemClock, random: systemRandom };
  const rm = await openEngine({ url, maxBranches: 8, detach: false }, ports);
  await rm.createTables();
  const log = new EventList();
  const runtime = openParticipantRuntime({
    ...{ resource: resourceName('accounts'), kind: 'sidecar', address: '127.0.0.1:1', rm, maxBranches: 8 },
    ...{ dial: dialGrpc(system.address), ...ports, logger: log },
  });
  return {
    runtime,
    log,
    async [Symbol.asyncDispose]() {
      await runtime[Symbol.asyncDispose]();
      await rm[Symbol.asyncDispose]();
    },
  };
}

async function execute({ engine, url }: Pick<EngineServer, 'engine' | 'url'>, sql: string): Promise<unknown[]> {
  if (engine === 'postgresql') {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }
  const connection = await createConnection({ uri: url });
  try {
    const [rows] = await connection.query(sql);
    return Array.isArray(rows) ? rows : [];
  } finally {
    connection.destroy();
  }
}

/** It has the tables, and has given out the numbers of the transactions of the other one. */
async function usedBefore({ engine }: EngineServer, url: string): Promise<void> {
  await using rm = await openEngine(
    { url, maxBranches: 8, detach: false },
    { clock: systemClock, random: systemRandom },
  );
  await rm.createTables();
  for (let n = 2; n < 60; n += 1) {
    await execute({ engine, url }, `insert into account values (${n}, 0)`);
  }
  await execute({ engine, url }, 'delete from account');
}

function password({ engine, user }: EngineServer, text: string): string {
  return engine === 'postgresql'
    ? `alter role ${user} password '${text}'`
    : `alter user '${user}'@'127.0.0.1' identified by '${text}'`;
}

/** A server on a byte copy of the data of one that is down. */
async function copyOf(server: EngineServer): Promise<EngineServer> {
  const directory = await serverDirectory('postgresql-18');
  await chmod(directory, 0o755);
  const home = JSON.parse(await readFile(join(dirname(server.logFile), 'server.json'), 'utf8')) as Home;
  const dataDirectory = join(directory, 'data');
  await run('cp', ['-a', home.dataDirectory, dataDirectory]);
  await writeFile(join(directory, 'server.json'), JSON.stringify({ ...home, dataDirectory }));
  return await startEngine('postgresql-18', { directory });
}

const through = (server: EngineServer, port: number): string => server.url.replace(`:${server.port}/`, `:${port}/`);

/** Under load one may be refused for another reason first, and come again. */
function refusedAs({ log }: Life, code: string) {
  return log.named('attach-refused').find((event) => event['code'] === code);
}

function xidOf(gtrid: string): Xid {
  const xid = parseXid(`${gtrid}:accounts`);
  if (xid === undefined) {
    throw new Error(`no Xid: ${gtrid}`);
  }
  return xid;
}

describe.each([
  ['PostgreSQL', 'postgresql-18', { fresh: true }, 'commit prepared', 'concordat.epoch'],
  ['MariaDB', 'mariadb', {}, 'XA COMMIT', 'concordat_epoch'],
  ['MySQL', 'mysql', { fresh: true }, 'XA COMMIT', 'concordat_epoch'],
] as const)('another server of %s answers at the address', (_, key, options, commit, epochs) => {
  const right = useEngine(key);
  const wrong = useEngine(key, options);

  it('a decided branch stays in doubt with that reason, is proven by nobody else, and is committed when the right one is back (field P4)', async () => {
    const create = 'create table account (id int primary key, value int)';
    await execute(right.server, create);
    await execute(wrong.server, create);
    // An address that changes hands takes the same password, or nobody would get in.
    await execute(wrong.server, password(wrong.server, right.server.password));
    await usedBefore(wrong.server, through(right.server, wrong.server.port));
    const other = { engine: wrong.server.engine, url: through(right.server, wrong.server.port) };
    await using system = await openSystem();
    await using proxy = await openSwitchingProxy(right.server.port);
    const orders = await system.participant('orders');
    await using accounts = await participant(system, through(right.server, proxy.port));
    await accounts.runtime.firstReady;
    const { gtrid, branches } = await system.transaction(orders);
    const insert = statement(xidOf(gtrid), 1, 'insert into account values (1, 100)', { last: true });
    expect((await accounts.runtime.execute(insert)).vote?.kind).toBe('prepared');
    // The commit does not arrive, every connection is cut, and the server behind the address takes connections at once.
    proxy.switchAt(commit, wrong.server.port);
    const named = [...branches, { bqual: 'accounts', instance: accounts.runtime.instance }];
    const acknowledgement = 'ACKNOWLEDGEMENT_DECIDED' as const;
    const answer = await system.api.commit({ gtrid, branches: named, acknowledgement });
    expect(answer.outcome).toBe('OUTCOME_COMMITTED');
    await eventually('the other one asks and is refused', async () => {
      const { resources } = await system.api.resources({});
      return resources.find(({ name }) => name === 'accounts')?.refused !== null;
    });
    await eventually('it has asked again', () => accounts.log.named('other-engine').length > 2, 20_000);
    await system.api.retry({ gtrid }).catch(() => undefined);
    const info = await system.api.show({ gtrid });
    expect(info.transaction?.state).toBe('TRANSACTION_STATE_COMMITTING');
    expect(system.records('heuristic')).toEqual([]);
    expect(system.records('finished')).toEqual([]);
    expect(accounts.runtime.status).toMatchObject({ ready: false, engineAnswers: false });
    // Nothing was written there in the name of this log.
    expect(await execute(other, 'select * from account')).toEqual([]);
    expect(await execute(other, `select * from ${epochs}`).catch(() => [])).toEqual([]);
    proxy.switchTo(right.server.port);
    await eventually('it is committed', () => system.records('finished').length === 1, 20_000);
    expect(await execute(right.server, 'select value from account')).toEqual([{ value: 100 }]);
    expect(system.records('heuristic')).toEqual([]);
  }, 60_000);
});

describe('a copy of a data directory beside its original', () => {
  const original = useEngine('postgresql-18');

  it('is refused with both addresses, and a second sidecar at the original is welcome (field P5)', async () => {
    await using system = await openSystem();
    let copy: EngineServer | undefined;
    try {
      await using first = await participant(system, original.server.url);
      await first.runtime.firstReady;
      await original.server.stop();
      copy = await copyOf(original.server);
      await original.server.start();
      await eventually('the original is back', () => first.runtime.status.engineAnswers, 20_000);
      await using second = await participant(system, copy.url);
      const refused = await eventually('the copy is refused', () => refusedAs(second, 'RESOURCE_IDENTITY'), 20_000);
      expect(refused['message']).toContain('copy of the database of accounts');
      const [accounts] = (await system.api.resources({})).resources;
      expect(accounts?.participants.map(({ instance }) => instance)).toEqual([first.runtime.instance]);
      expect(accounts?.refused).toMatchObject({ engineIdentity: accounts?.engineIdentity });
      // A second sidecar at the original is welcome.
      await using third = await participant(system, original.server.url);
      await third.runtime.firstReady;
    } finally {
      if (copy !== undefined) {
        await discard(copy);
      }
    }
  }, 90_000);
});

describe('an address that goes over to a copy', () => {
  const original = useEngine('postgresql-18');

  it('is noticed when the address of one of two participants goes over to it (field P5)', async () => {
    await using system = await openSystem();
    let copy: EngineServer | undefined;
    try {
      await using first = await participant(system, original.server.url);
      await first.runtime.firstReady;
      await original.server.stop();
      copy = await copyOf(original.server);
      await original.server.start();
      await eventually('the original is back', () => first.runtime.status.engineAnswers, 20_000);
      await using proxy = await openSwitchingProxy(original.server.port);
      await using second = await participant(system, through(original.server, proxy.port));
      await second.runtime.firstReady;
      proxy.switchTo(copy.port);
      const refused = await eventually('it is refused', () => refusedAs(second, 'RESOURCE_IDENTITY'), 20_000);
      expect(refused['message']).toContain('copy of the database of accounts');
      expect(first.runtime.status.ready).toBe(true);
    } finally {
      if (copy !== undefined) {
        await discard(copy);
      }
    }
  }, 90_000);
});

describe('a database that was dropped and created anew', () => {
  const engine = useEngine('mariadb');

  it('is accepted at an operator’s word and takes part, in the same life of its sidecar (field P14)', async () => {
    await using system = await openSystem();
    await using life = await participant(system, engine.server.url);
    await life.runtime.firstReady;
    const [before] = (await system.api.resources({})).resources;
    const { database } = engine.server;
    await execute(engine.server, `drop database ${database}`);
    const elsewhere = engine.server.url.replace(`/${database}`, '/mysql');
    const connection = await createConnection({ uri: elsewhere });
    await connection.query(`create database ${database}`);
    connection.destroy();
    await eventually('it asks', async () => (await system.api.resources({})).resources[0]?.refused !== null, 20_000);
    const request = { resource: 'accounts', reason: 'made anew, INC-1234', operator: 'ada@host', requestId: 'r1' };
    const { engineIdentity, formerIdentity } = await system.api.accept(request);
    expect(formerIdentity).toBe(before?.engineIdentity);
    await eventually('it takes part', () => life.runtime.status.ready && life.runtime.status.engineAnswers, 20_000);
    expect((await system.api.resources({})).resources[0]).toMatchObject({ engineIdentity, refused: null });
    await execute(engine.server, 'create table account (id int primary key, value int)');
    const { gtrid } = await system.api.begin({});
    const insert = statement(xidOf(gtrid), 1, 'insert into account values (1, 100)', { last: true });
    expect((await life.runtime.execute(insert)).vote?.kind).toBe('prepared');
  }, 60_000);
});
