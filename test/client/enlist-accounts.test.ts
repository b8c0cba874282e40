// Who prepares can be finished by the resource's sidecar: another role or account is refused before anything is prepared.
import mysql from 'mysql2/promise';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { recognise } from '../../src/participants/embedded/connection.ts';
import { openMysqlResourceManager } from '../../src/participants/mysql/resource-manager.ts';
import { type EngineKey, useEngine } from '../support/engines.ts';

const PORTS = { clock: systemClock, random: systemRandom };

function as(url: string, user: string): string {
  const changed = new URL(url);
  changed.username = user;
  changed.password = 'secret';
  return changed.href;
}

describe('PostgreSQL', () => {
  const engine = useEngine('postgresql-18');

  async function client(url: string, applicationName = 'app'): Promise<pg.Client> {
    const opened = new pg.Client({ connectionString: url, application_name: applicationName });
    await opened.connect();
    onTestFinished(() => opened.end());
    return opened;
  }

  test('a sidecar that works as another role is named, a superuser’s and the same role’s are not (field P6)', async () => {
    const { url } = engine.server;
    const admin = await client(url);
    for (const role of ['app', 'side']) {
      await admin.query(`create role ${role} login password 'secret'`);
    }
    const app = await client(as(url, 'app'));
    const problem = () => recognise(app, PORTS).ownerProblem();
    expect(await problem()).toBeUndefined();
    await client(as(url, 'app'), 'concordat app-abc'); // An embedded participant's, which dies with its application.
    await client(as(url, 'side'), 'concordat abc');
    expect(await problem()).toMatch(
      /^its sidecar works as side, .* Next: run the sidecar as the role of the connection/,
    );
    await client(url, 'concordat def');
    expect(await problem()).toBeUndefined();
  });
});

describe.each<EngineKey>(['mariadb', 'mysql'])('%s', (key) => {
  const engine = useEngine(key);

  test('a sidecar of another account that may not end sessions of others is named (field P6)', async () => {
    const { url } = engine.server;
    const admin = await mysql.createConnection({ uri: url });
    onTestFinished(() => admin.destroy());
    const database = new URL(url).pathname.slice(1);
    for (const account of ['app', 'side']) {
      await admin.query(`create user ${account}@'%' identified by 'secret'`);
      await admin.query(`grant all on \`${database}\`.* to ${account}@'%'`);
    }
    const shown = async (user: string | undefined, embedded: boolean): Promise<void> => {
      const address = user === undefined ? url : as(url, user);
      const options = { url: address, clock: systemClock, instance: 'abc', embedded };
      await using manager = openMysqlResourceManager(options);
      await manager.createTables();
      await manager.showToken(`${user} ${embedded}`, 'token');
    };
    const app = await mysql.createConnection({ uri: as(url, 'app') });
    onTestFinished(() => app.destroy());
    const problem = () => recognise(app, PORTS).ownerProblem();
    expect(await problem()).toBeUndefined();
    await shown('app', true);
    await shown('side', false);
    expect(await problem()).toMatch(
      /^its sidecar works as side@%, .* Next: run the sidecar with the account of the connection/,
    );
    await shown('app', false);
    expect(await problem()).toBeUndefined();
    await admin.query("delete from concordat_participant where account = 'app@%'");
    await shown(undefined, false);
    expect(await problem()).toBeUndefined();
  });
});
