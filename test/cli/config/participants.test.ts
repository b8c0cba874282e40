// `config check participant` refuses what the program itself would refuse, and nothing that is shown carries a secret.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from '../run-cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'concordat-participants-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function configFile(name: string, content: object): string {
  const path = join(directory, `${name}.json`);
  writeFileSync(path, JSON.stringify(content));
  chmodSync(path, 0o600);
  return path;
}

const check = (...files: readonly string[]) =>
  runCli(['config', 'check', 'participant', ...files.flatMap((file) => ['--config', file])]);

describe('config check participant', () => {
  it.each([
    ['mysql://u:pa%ss@h/db', /url .*%25/],
    ['mariadb://u:hunter2@h/db?sslmode=REQUIRED', /url has the unknown parameter sslmode/],
    ['mysql://u:hunter2@h/db?ssl-mode=required-ish', /url has an unknown ssl-mode/],
    [
      'mysql://u:hunter2@h/db?ssl-mode=VERIFY_IDENTITY&ssl-ca=/nowhere/ca.pem',
      /ssl-ca cannot be read: \/nowhere\/ca\.pem/,
    ],
    ['mysql://u:hunter2@h', /url must name the database/],
    ['mysql://u:hunter2@h:0/db', /port/],
    ['mysql://u:hunter2@h:99999/db', /url/],
    ['postgresql://u:pa%ss@h/db', /url .*%25/],
    ['postgresql://u:hunter2@h/db?sslmode=required', /url .*sslmode.*did you mean require\?/],
    ['postgresql://u:hunter2@h/db?schema=public', /url .*schema.*search_path/],
    ['postgres://u:hunter2@h/db?sslmode=verify-full&sslrootcert=/nowhere/ca.pem', /url: .*\/nowhere\/ca\.pem/],
    ['postgresql://u:hunter2@h/db?sslmode=verify-full&sslcert=/nowhere/c.pem', /url .*sslkey/],
    ['oracle://u:hunter2@h/db', /url must start with postgresql/],
  ])('%s is refused with the key and what to write instead (field P19)', async (url, problem) => {
    const { exit, stdout, stderr } = await check(configFile('one', { resource: 'accounts', url }));
    expect([exit, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Error CONFIG_INVALID: A setting is wrong\.\n/);
    expect(stderr).toMatch(problem);
    expect(stderr).not.toMatch(/hunter2|pa%ss/);
  });

  it('takes the settings of several databases, as the program does (field P19)', async () => {
    const accounts = configFile('accounts', { resource: 'accounts', url: 'mysql://u:p@h/accounts' });
    const orders = configFile('orders', { resource: 'orders', url: 'mariadb://u:p@h/orders' });
    expect(await check(accounts, orders)).toMatchObject({ exit: 0, stderr: '' });
    const wrong = configFile('wrong', { resource: 'wrong', url: 'mysql://u:pa%ss@h/db' });
    expect((await check(accounts, wrong)).stderr).toMatch(/wrong.*url/s);
    const again = configFile('again', { resource: 'accounts', url: 'mysql://u:p@h/again' });
    expect((await check(accounts, again)).stderr).toMatch(/accounts is configured twice/);
  });

  it('is refused by the program with the same words (field P19)', async () => {
    const file = configFile('program', { resource: 'accounts', url: 'mysql://u:pa%ss@h/db' });
    const { exit, stderr } = await runCli(['participant', '--config', file]);
    expect(exit).toBe(2);
    expect(stderr).toMatch(/^Error CONFIG_INVALID: /);
    expect(stderr).toMatch(/%25/);
    expect(stderr).not.toContain('pa%ss');
  });
});
