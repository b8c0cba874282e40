// A password that is changed while the sidecar runs: it reads the file of its URL again, by itself or at SIGHUP, and goes on.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Program } from '../../src/dev/program.ts';
import { useEngine } from '../support/engines.ts';

const running: Program[] = [];
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'concordat-secret-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.kill()));
  rmSync(directory, { recursive: true, force: true });
});

/** What has to be written in another way in a URL. */
const NEXT = 'n@w/p#ss?50%';

interface Account {
  /** `user:password@host:port/database` of the sidecar, with this password. */
  url(password: string): string;
  /** Changes the password and ends every session of the account. */
  change(password: string): Promise<void>;
}

async function changesItsPassword(account: Account): Promise<void> {
  const file = join(directory, 'url');
  const write = (password: string): void => {
    writeFileSync(file, `${account.url(encodeURIComponent(password))}\n`);
    chmodSync(file, 0o600);
  };
  const start = (args: readonly string[]): Program => {
    const program = Program.start({ args });
    running.push(program);
    return program;
  };
  const ports = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  const coordinator = start(['coordinator', '--data-dir', join(directory, 'log'), ...ports]);
  const address = String((await coordinator.event('serving'))['address']);
  write('first');
  const sidecar = start(['participant', '--resource', 'accounts', '--url-file', file, '--coordinator', address]);
  await sidecar.event('attached');

  // By itself: the engine refuses what it knows, and the file has been changed since.
  write(NEXT);
  await account.change(NEXT);
  const again = await sidecar.event('url-read-again');
  await sidecar.event('engine-back', ({ time }) => Number(time) >= Number(again['time']));

  // At SIGHUP, before anything is refused; a file that is no secret changes nothing, and ends nothing.
  writeFileSync(file, '');
  sidecar.signal('SIGHUP');
  await sidecar.event('url-not-read');
  write('third');
  sidecar.signal('SIGHUP');
  await sidecar.event('url-read-again', ({ time }) => Number(time) > Number(again['time']));
  await account.change('third');
  sidecar.signal('SIGTERM');
  expect(await sidecar.ended).toBe(0);
}

describe('postgresql', () => {
  const engine = useEngine('postgresql-18');
  it('the sidecar goes on with the new password (issue 12)', async () => {
    const { host, port, database } = engine.server;
    const admin = new pg.Client({ connectionString: engine.server.url });
    await admin.connect();
    await admin.query("create role side login superuser password 'first'");
    try {
      await changesItsPassword({
        url: (password) => `postgresql://side:${password}@${host}:${port}/${database}`,
        change: async (password) => {
          await admin.query(`alter role side password '${password}'`);
          await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'side'");
        },
      });
    } finally {
      await admin.end();
    }
  });
});

describe('mariadb', () => {
  const engine = useEngine('mariadb');
  it('the sidecar goes on with the new password (issue 12)', async () => {
    const { host, port, database } = engine.server;
    const admin = await mysql.createConnection(engine.server.url);
    await admin.query("create user side@'%' identified by 'first'");
    await admin.query("grant all on *.* to side@'%' with grant option");
    try {
      await changesItsPassword({
        url: (password) => `mysql://side:${password}@${host}:${port}/${database}`,
        change: async (password) => {
          await admin.query('set password for side@? = password(?)', ['%', password]);
          const [rows] = await admin.query("select id from information_schema.processlist where user = 'side'");
          for (const { id } of rows as { id: number }[]) {
            await admin.query(`kill ${id}`).catch(() => undefined); // It may have ended by itself.
          }
        },
      });
    } finally {
      await admin.end();
    }
  });
});
