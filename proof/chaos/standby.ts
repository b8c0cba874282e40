// A streaming standby of a running PostgreSQL: made by a low-level backup, cut off so that it lags, and promoted.
import { chmod, chown, cp, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { type EngineServer, startPostgres } from '../../src/dev/engines/index.ts';
import { run } from '../../src/dev/engines/run.ts';
import { openLink } from './proxy.ts';
import { must } from './scene.ts';
import { atSide } from './sides.ts';

export interface Standby extends AsyncDisposable {
  readonly server: EngineServer;
  /** Resolves when it has applied everything that the primary has written so far. */
  catchUp(): Promise<void>;
  /** It receives nothing more. */
  cutOff(): void;
  /** It becomes a primary, with what it has received. */
  promote(): Promise<void>;
}

/** Of the copied files these are the running primary's own. */
const NOT_COPIED = ['postmaster.pid', 'postmaster.opts'];

/** @param directory for the standby's data and log; made anew. */
export async function openStandby(primary: EngineServer, directory: string): Promise<Standby> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const [{ data: source = '' } = {}] = await atSide(primary, (query) =>
    query(`select current_setting('data_directory') as data`),
  );
  const data = join(directory, 'data');
  await copyRunning(primary, String(source), data);
  const link = await openLink(primary.port);
  const { user, password } = primary;
  await ownedAs(String(source), join(data, 'standby.signal'), '');
  await ownedAs(
    String(source),
    join(data, 'postgresql.auto.conf'),
    `primary_conninfo = 'host=127.0.0.1 port=${link.port} user=${user} password=${password}'\nwal_retrieve_retry_interval = '100ms'\n`,
  );
  await chmod(directory, 0o755);
  await writeFile(
    join(directory, 'server.json'),
    JSON.stringify({ engine: 'postgresql', line: '18', password, dataDirectory: data }),
    { mode: 0o600 },
  );
  const server = await startPostgres({ directory, version: 18 });
  return {
    server,
    catchUp: async () => {
      const [{ lsn } = {}] = await atSide(primary, (query) => query('select pg_current_wal_flush_lsn()::text as lsn'));
      const behind = `select pg_last_wal_replay_lsn() >= '${String(lsn)}' as caught_up`;
      await must('the standby does not catch up', async () => {
        const [row] = await atSide(server, (query) => query(behind));
        return row?.['caught_up'] === true;
      });
    },
    cutOff: () => link.fail({ kind: 'refuse' }),
    promote: async () => {
      await atSide(server, (query) => query('select pg_promote(true, 60)'));
      await must('the standby is not promoted', async () => {
        const [row] = await atSide(server, (query) => query('select pg_is_in_recovery() as standby'));
        return row?.['standby'] === false;
      });
    },
    [Symbol.asyncDispose]: async () => {
      await link[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

/** The files of a running server, with what a start needs to make them consistent. */
async function copyRunning(primary: EngineServer, source: string, data: string): Promise<void> {
  // The backup belongs to its session, so that one connection begins and ends it.
  const client = new pg.Client({ connectionString: primary.url });
  await client.connect();
  try {
    await client.query(`select pg_backup_start('standby', true)`);
    await cp(source, data, {
      recursive: true,
      preserveTimestamps: true,
      filter: (path) => !NOT_COPIED.some((name) => path === join(source, name)),
    });
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    await ownAll(source, data);
    await ownedAs(source, join(data, 'backup_label'), rows[0]?.labelfile ?? '');
  } finally {
    await client.end();
  }
}

/** As root the server runs under the account that owns the primary's files. */
async function ownAll(source: string, data: string): Promise<void> {
  const { uid, gid } = await stat(source);
  await run('chown', ['-R', `${uid}:${gid}`, data]);
  await chmod(data, 0o700);
}

async function ownedAs(source: string, path: string, text: string): Promise<void> {
  const { uid, gid } = await stat(source);
  await writeFile(path, text, { mode: 0o600 });
  await chown(path, uid, gid);
}
