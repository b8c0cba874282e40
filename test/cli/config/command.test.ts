// `concordat config` and the programs' own reading of settings, in real processes.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from '../run-cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'concordat-command-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const file = join(directory, 'concordat.json');
writeFileSync(file, JSON.stringify({ listen: '127.0.0.1:1', dataDir: '/srv/concordat' }));

describe('config show', () => {
  it('prints each value with its origin and what it overrides; the last of two equal flags counts (faults B63)', async () => {
    const args = ['config', 'show', 'coordinator', '--origin', '--config', file];
    const { exit, stdout, stderr } = await runCli([...args, '--listen', '127.0.0.1:3', '--listen', '127.0.0.1:4'], {
      env: { CONCORDAT_LISTEN: '127.0.0.1:2' },
    });
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines).toContainEqual([
      'listen',
      '127.0.0.1:4',
      'flag --listen',
      `environment CONCORDAT_LISTEN, file ${file}`,
    ]);
    expect(lines).toContainEqual(['dataDir', '/srv/concordat', `file ${file}`, '-']);
    expect(lines).toContainEqual(['logLevel', 'info', 'default', '-']);
  });

  it('masks secrets and takes the coordinator from the global option', async () => {
    const secret = join(directory, 'url');
    writeFileSync(secret, 'mysql://bob:hunter2@db/shop\n');
    chmodSync(secret, 0o600);
    const args = ['config', 'show', 'participant', '--origin', '--resource', 'shop', '--url-file', secret];
    const { exit, stdout } = await runCli([...args, '--coordinator', 'c.example.org:7420', '--output', 'json']);
    expect(exit).toBe(0);
    expect(stdout).not.toContain('hunter2');
    const { settings } = JSON.parse(stdout) as { settings: readonly { key: string; value: unknown; origin: string }[] };
    expect(settings.find(({ key }) => key === 'url')).toEqual({
      key: 'url',
      value: 'mysql://bob:***@db/shop',
      origin: `flag --url-file, read from ${secret}`,
      overridden: [],
    });
    expect(settings.find(({ key }) => key === 'coordinator')).toMatchObject({
      value: 'c.example.org:7420',
      origin: 'flag --coordinator',
    });
  });

  it('switches off what the environment switches on', async () => {
    const env = { CONCORDAT_INSECURE: 'true' };
    const { stdout } = await runCli(['config', 'show', 'coordinator', '--no-insecure'], { env });
    expect(stdout).toMatch(/^insecure +false$/m);
  });
});

describe('config check', () => {
  it('says that settings can be used, and warns of a variable that is nearly one (faults B55)', async () => {
    const env = { CONCORDAT_LISTE: 'x' };
    const { exit, stdout, stderr } = await runCli(['config', 'check', 'coordinator', '--config', file], { env });
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: '✓ concordat coordinator can use these settings\n' });
    expect(stderr).toBe('Warning: CONCORDAT_LISTE is not a setting: did you mean CONCORDAT_LISTEN?\n');
  });

  it('ends with 2 and every problem (faults B55)', async () => {
    const wrong = join(directory, 'wrong.json');
    writeFileSync(wrong, JSON.stringify({ lisen: 'x', drainGraceMs: -1 }));
    const { exit, stdout, stderr } = await runCli(['config', 'check', 'coordinator', '--config', wrong]);
    expect([exit, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Error CONFIG_INVALID: 2 settings are wrong\.\n/);
    expect(stderr).toContain('  - lisen is not a setting: did you mean listen?\n');
    expect(stderr).toContain('  - drainGraceMs must be a whole number from 0 to 3600000, not -1 (from file');
  });

  it('tells what is missing and how to give it', async () => {
    const { exit, stderr } = await runCli(['config', 'check', 'participant']);
    expect(exit).toBe(2);
    expect(stderr).toContain('resource is missing: give --resource or CONCORDAT_RESOURCE');
    expect(stderr).toContain(
      'url is missing: give --url or CONCORDAT_DATABASE_URL, better --url-file or CONCORDAT_DATABASE_URL_FILE',
    );
  });
});

describe('a program with settings that it cannot use', () => {
  it.each([
    ['listens where others reach it, without leave', ['coordinator', '--listen', '0.0.0.0:0'], /--insecure/],
    ['has a wrong number', ['coordinator', '--drain-grace-ms', 'long'], /drainGraceMs must be a whole number/],
  ])('%s and ends with 2', async (_, args, message) => {
    const { exit, stdout, stderr } = await runCli(args, { cwd: directory });
    expect(stderr).toMatch(message);
    expect([exit, stdout]).toEqual([2, '']);
  });
});
