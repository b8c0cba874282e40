// Servers that the tests and `concordat dev` start: they answer, crash for real, come back with their data, and end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { run } from '../../src/dev/engines/run.ts';
import { discard, ENGINE_KEYS, type EngineKey, serverDirectory, startEngine, useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { isStopped, processesIn } from '../support/processes.ts';

const VERSIONS: Readonly<Record<EngineKey, RegExp>> = {
  'postgresql-18': /^18\./,
  'postgresql-15': /^15\./,
  mariadb: /^\d+\.\d+\.\d+-MariaDB/,
  mysql: /^9\./,
};

type Row = Readonly<Record<string, unknown>>;

/** Runs statements one after the other on one connection and resolves with the rows of the last. */
async function query(server: EngineServer, ...statements: readonly string[]): Promise<readonly Row[]> {
  let rows: readonly Row[] = [];
  if (server.engine === 'postgresql') {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    for (const statement of statements) {
      rows = (await client.query<Row>(statement)).rows;
    }
    await client.end();
    return rows;
  }
  const connection = await createConnection(server.url);
  for (const statement of statements) {
    const [result] = await connection.query(statement);
    rows = Array.isArray(result) ? (result as Row[]) : [];
  }
  await connection.end();
  return rows;
}

function logIn(server: EngineServer, password: string): Promise<unknown> {
  const url = server.url.replace(server.password, password);
  return server.engine === 'postgresql' ? new Client({ connectionString: url }).connect() : createConnection(url);
}

async function items(server: EngineServer): Promise<readonly unknown[]> {
  return (await query(server, 'select id from item order by id')).map((row) => row['id']);
}

/** Writes `id` in a branch of that name and prepares it. The branch's session is gone afterwards. */
async function prepareItem(server: EngineServer, id: number): Promise<void> {
  const insert = `insert into item values (${id})`;
  const statements =
    server.engine === 'postgresql'
      ? ['begin', insert, `prepare transaction 'branch-${id}'`]
      : [`xa start 'branch-${id}'`, insert, `xa end 'branch-${id}'`, `xa prepare 'branch-${id}'`];
  await query(server, ...statements);
}

async function commitPrepared(server: EngineServer, id: number): Promise<void> {
  await query(server, `${server.engine === 'postgresql' ? 'commit prepared' : 'xa commit'} 'branch-${id}'`);
}

describe.each(ENGINE_KEYS)('%s', (key) => {
  const engine = useEngine(key);

  test('answers under its url with the expected version, durably', async () => {
    const { server } = engine;
    expect(server.version).toMatch(VERSIONS[key]);
    const setting = server.engine === 'postgresql' ? 'show fsync' : 'select @@innodb_flush_log_at_trx_commit as fsync';
    expect(await query(server, setting)).toEqual([{ fsync: server.engine === 'postgresql' ? 'on' : 1 }]);
  });

  test('refuses a login without the password', async () => {
    await expect(logIn(engine.server, 'wrong')).rejects.toThrow(/password authentication failed|Access denied/);
  });

  test('has a password of its own, which another copy of the same template refuses (security X30)', async () => {
    const { server } = engine;
    await using other = await startEngine(key, { directory: await serverDirectory(key) });
    expect(other.password).not.toBe(server.password);
    for (const [one, another] of [
      [server, other],
      [other, server],
    ] as const) {
      await expect(logIn(one, another.password)).rejects.toThrow(/password authentication failed|Access denied/);
    }
    // It stays over a restart, and nothing that lies beside the data tells it.
    await other.stop();
    await other.start();
    expect(await query(other, 'select 1 as one')).toEqual([{ one: 1 }]);
    await discard(other);
    const told = await run('grep', ['-rlaF', other.password, dirname(other.logFile)]);
    expect(told.trim()).toBe(join(dirname(other.logFile), 'server.json'));
  });

  test('makes no file of root by SQL, and none outside of its own folder (security X3)', async ({ skip }) => {
    const { server } = engine;
    if (server.engine === 'postgresql') {
      skip('PostgreSQL refuses to run as root');
    }
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    const uids = /^Uid:\t(.*)$/m.exec(status)?.[1]?.split('\t').map(Number) ?? [];
    expect(uids.every((uid) => uid === (process.getuid?.() === 0 ? uids[0] : process.getuid?.()))).toBe(true);
    expect(uids).not.toContain(0);
    const [row] = await query(server, 'select @@secure_file_priv as folder');
    const folder = String(row?.['folder']);
    expect(folder).toContain('files');
    const outside = join(await mkdtemp(join(tmpdir(), 'concordat-tests-outfile-')), 'file');
    await chmod(dirname(outside), 0o777);
    await expect(query(server, `select 1 into outfile '${outside}'`)).rejects.toThrow(/secure.file.priv/);
    await query(server, `select 1 into outfile '${join(folder, 'inside')}'`);
    expect((await stat(join(folder, 'inside'))).uid).toBe(uids[0]);
    await rm(dirname(outside), { recursive: true });
  });

  test('comes back after SIGKILL on the same port, with committed rows and the prepared branch', async () => {
    const { server } = engine;
    const { port, pid } = server;
    await query(server, 'create table item (id int primary key)', 'insert into item values (1)');
    await prepareItem(server, 2);

    await server.kill('SIGKILL');
    expect(server.pid).toBeUndefined();
    await expect(query(server, 'select 1')).rejects.toThrow(/ECONNREFUSED/);

    await server.start();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await items(server)).toEqual([1]);
    await commitPrepared(server, 2);
    expect(await items(server)).toEqual([1, 2]);
  });

  test('SIGSTOP freezes every process of the server, SIGCONT thaws them', async () => {
    const { server } = engine;
    const frozen = async (): Promise<readonly boolean[]> =>
      Promise.all((await processesIn(join(server.logFile, '..'))).map(isStopped));
    await server.kill('SIGSTOP');
    await eventually('all processes are stopped', async () => (await frozen()).every(Boolean));
    await server.kill('SIGCONT');
    await eventually('no process is stopped', async () => !(await frozen()).some(Boolean));
    expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('keeps its data over a clean stop, and leaves no process when it stops', async () => {
    await using server = await startEngine(key, { directory: await serverDirectory(key) });
    await query(server, 'create table item (id int primary key)', 'insert into item values (7)');
    const directory = join(server.logFile, '..');
    expect((await processesIn(directory)).length).toBeGreaterThan(0);

    await server.stop();
    expect(await processesIn(directory)).toEqual([]);
    await server.stop();
    await server.start();
    expect(await items(server)).toEqual([7]);
    await discard(server);
    expect(await processesIn(directory)).toEqual([]);
  });
});

describe('a port that belongs to somebody else', () => {
  const engine = useEngine('postgresql-18');

  test('is named by the error', async () => {
    const { port } = engine.server;
    const second = startEngine('postgresql-18', { directory: await serverDirectory('postgresql-18'), port });
    await expect(second).rejects.toThrow(`postgresql cannot listen on 127.0.0.1:${port}: another process does.`);
  });
});

describe.each(['postgresql', 'mariadb'])('a %s server whose parent is killed', (name) => {
  const key = name === 'postgresql' ? 'postgresql-18' : 'mariadb';
  // Not used itself: where the engine is not available these tests are skipped, too.
  useEngine(key);

  test.each([{ state: 'running' }, { state: 'frozen' }])('ends although it was $state', async ({ state }) => {
    const directory = await serverDirectory(key);
    const parent = spawn(process.execPath, [join(import.meta.dirname, 'start-engine.ts'), name, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const exited = once(parent, 'exit').then(([code]) => Promise.reject(new Error(`the parent ended with ${code}`)));
      const pid = Number(String((await Promise.race([once(parent.stdout, 'data'), exited]))[0]));
      exited.catch(() => undefined);
      expect(await processesIn(directory)).toContain(pid);
      if (state === 'frozen') {
        for (const member of await processesIn(directory)) {
          process.kill(member, 'SIGSTOP');
        }
      }
    } finally {
      parent.kill('SIGKILL');
    }
    await eventually('no process of the server is left', async () => (await processesIn(directory)).length === 0);
  });
});
