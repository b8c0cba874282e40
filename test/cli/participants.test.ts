// `concordat participant` with several files: one process that speaks for several databases.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type LogLine, Program } from '../../src/dev/program.ts';
import { useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { runCli } from './run-cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'concordat-participants-'));
const running: Program[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.kill()));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function start(...args: readonly string[]): Program {
  const program = Program.start({ args });
  running.push(program);
  return program;
}

/** Its coordinator is nobody: a flag has to say who is. */
function configFile(resource: string, url: string): string {
  const path = join(mkdtempSync(join(directory, 'config-')), `${resource}.json`);
  writeFileSync(path, JSON.stringify({ resource, url, coordinator: '127.0.0.1:1' }), { mode: 0o600 });
  return path;
}

const of =
  (resource: string) =>
  (line: LogLine): boolean =>
    line['resource'] === resource;

const postgres = useEngine('postgresql-18');
const mariadb = useEngine('mariadb');

describe('concordat participant with several --config', () => {
  it('attaches for each at one address, with the flags for all, names the resource in its lines, and ends with 0 on SIGTERM', async () => {
    const anyPort = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
    const coordinator = start('coordinator', '--data-dir', join(directory, 'log'), ...anyPort);
    const address = String((await coordinator.event('serving'))['address']);
    const files = [configFile('accounts', postgres.server.url), configFile('orders', mariadb.server.url)];
    const participant = start('participant', ...files.flatMap((file) => ['--config', file]), '--coordinator', address);
    const both = (evt: string): Promise<readonly LogLine[]> =>
      Promise.all(['accounts', 'orders'].map((resource) => participant.event(evt, of(resource))));
    await both('attached');
    const [accounts, orders] = await both('listening');
    expect(accounts?.['address']).toBe(orders?.['address']);
    const list = await eventually('both are listed', async () => {
      const { stdout } = await runCli(['resource', 'list', '--coordinator', address]);
      return stdout.includes('accounts') && stdout.includes('orders') && stdout;
    });
    expect(list).toMatch(/accounts[\s\S]*postgresql 18/);
    expect(list).toMatch(/orders[\s\S]*mariadb/);
    participant.signal('SIGTERM');
    expect(await both('ended')).toMatchObject([{ exitCode: 0 }, { exitCode: 0 }]);
    expect(await participant.ended).toBe(0);
  });
});

describe('a failure is told with its name', () => {
  it('of the file', async () => {
    const good = configFile('accounts', 'postgresql://user@127.0.0.1:1/database');
    const bad = configFile('orders', 'oracle://x/y');
    const { exit, stderr } = await runCli(['participant', '--config', good, '--config', bad]);
    expect(stderr).toContain(`Error CONFIG_INVALID: ${bad}: `);
    expect(exit).toBe(2);
  });

  it('of the database', async () => {
    // A resource of another database: the coordinator refuses the second one. Its log is new, and the database has served another before.
    const anyPort = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
    const coordinator = start(
      'coordinator',
      '--data-dir',
      join(directory, 'log-2'),
      '--beside-logs',
      'any',
      ...anyPort,
    );
    const address = String((await coordinator.event('serving'))['address']);
    const other = start('participant', '--config', configFile('orders', mariadb.server.url), '--coordinator', address);
    await other.event('attached');
    const files = [configFile('accounts', postgres.server.url), configFile('orders', postgres.server.url)];
    const args = ['participant', ...files.flatMap((file) => ['--config', file]), '--coordinator', address];
    const { exit, stderr } = await runCli(args);
    expect(stderr).toMatch(/^Error RESOURCE_IDENTITY: orders: /m);
    expect(exit).toBe(5);
  });
});

const url = 'postgresql://user@127.0.0.1:1/database';

describe('one database for two names', () => {
  it.each([
    ['environment CONCORDAT_DATABASE_URL', [], { CONCORDAT_DATABASE_URL: url }],
    ['flag --url', ['--url', url], {}],
  ])('out of %s ends with 2 and says what to do', async (origin, flags, env) => {
    const files = ['accounts', 'orders'].flatMap((resource) => ['--config', configFile(resource, url)]);
    const { exit, stderr } = await runCli(['participant', ...files, ...flags], { env });
    expect(stderr).toContain(`Error CONFIG_INVALID: ${origin} gives the same database to all 2 files`);
    expect(exit).toBe(2);
  });
});

describe('one name for two databases', () => {
  const advice = 'each database needs a resource name of its own, in its own file';

  it.each([
    ['files', ['accounts', 'accounts'], []],
    ['a flag for both files', ['accounts', 'orders'], ['--resource', 'accounts']],
  ])('out of %s ends with 2 and says what to do', async (_, resources, flags) => {
    const files = resources.flatMap((resource) => ['--config', configFile(resource, url)]);
    const { exit, stderr, stdout } = await runCli(['participant', ...files, ...flags]);
    expect(stderr).toMatch(/^Error CONFIG_INVALID: accounts is configured twice/);
    expect(stderr).toContain(advice);
    expect(stdout).toBe('');
    expect(exit).toBe(2);
  });
});
