// PgBouncer in front of a test's server: Debian's package, unpacked into the cache, without root and without touching the system.
import { type ChildProcess, spawn } from 'node:child_process';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { inject } from 'vitest';
import { postgresAccount } from '../../src/dev/engines/account.ts';
import { cached } from '../../src/dev/engines/cache.ts';
import { openTree, unpackDebian } from '../../src/dev/engines/debian.ts';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { freePort } from '../../src/dev/engines/port.ts';
import { eventually } from './eventually.ts';

export interface Pgbouncer extends AsyncDisposable {
  /** Of the server's database and administrator, through the pooler. */
  readonly url: string;
}

/** @throws {EngineUnavailableError} when the package cannot be fetched. */
export async function startPgbouncer(server: EngineServer, mode: 'session' | 'transaction'): Promise<Pgbouncer> {
  const root = await cached('pgbouncer', (into) =>
    unpackDebian({ packages: ['pgbouncer'], release: 'own', directory: into }),
  );
  const [file, ...args] = (await openTree(root)).command('usr/sbin/pgbouncer');
  const account = await postgresAccount();
  const directory = await mkdtemp(join(inject('runDirectory'), 'pgbouncer-'));
  const port = await freePort();
  const users = join(directory, 'users.txt');
  const settings = join(directory, 'pgbouncer.ini');
  await writeFile(users, `"${server.user}" "${server.password}"\n`);
  await writeFile(
    settings,
    `[databases]
${server.database} = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${users}
pool_mode = ${mode}
default_pool_size = 20
`,
  );
  if (account !== undefined) {
    await Promise.all([directory, users, settings].map((path) => chown(path, account.uid, account.gid)));
  }
  const child: ChildProcess = spawn(file, [...args, settings], {
    stdio: 'ignore',
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await eventually('PgBouncer listens', () => reaches(port));
  return {
    url: server.url.replace(`:${server.port}/`, `:${port}/`),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function reaches(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
