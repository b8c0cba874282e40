// Commands that need no coordinator: the check of a log's files, and the tables for a person to create.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'concordat-offline-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('log verify', () => {
  it('a directory without a log is named, and nothing is made in it', async () => {
    const { exit, stderr } = await runCli(['log', 'verify', '--data-dir', directory]);
    expect(stderr).toMatch(/^Error CONFIG_INVALID: there is no log in /);
    expect(exit).toBe(2);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('a file that is no log ends with 9, after everything that could be read', async () => {
    writeFileSync(join(directory, 'log.db'), 'hello');
    const table = await runCli(['log', 'verify', '--data-dir', directory]);
    expect(table.stdout).toContain('could not be read');
    expect(table.stderr).toMatch(/^Error LOG_FOREIGN: .*not an SQLite database.*\n[\s\S]*Next: .*data directory/);
    expect(table.exit).toBe(9);
    const json = await runCli(['log', 'verify', '--data-dir', directory, '--output', 'json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      version: 1,
      kind: 'log-verification',
      ok: false,
      identity: null,
      problems: [{ reason: 'LOG_FOREIGN' }, { reason: 'LOG_DAMAGED' }],
    });
    expect(JSON.parse(json.stderr)).toMatchObject({ kind: 'error', reason: 'LOG_FOREIGN', exitCode: 9 });
  });

  it('needs to be told where', async () => {
    expect(await runCli(['log', 'verify'])).toMatchObject({ exit: 2, stdout: '' });
    expect(existsSync('concordat-data')).toBe(false);
  });
});

describe('participant --print-sql', () => {
  it.each([
    ['postgresql', /create table if not exists concordat\.epoch[\s\S]*to "concordat";/],
    ['mysql', /CREATE TABLE IF NOT EXISTS concordat_branch[\s\S]*XA_RECOVER_ADMIN/],
    ['mariadb', /CREATE TABLE IF NOT EXISTS concordat_identity/],
  ])('prints what %s needs, without a database or settings', async (engine, sql) => {
    const { exit, stdout, stderr } = await runCli(['participant', '--print-sql', engine]);
    expect(stdout).toMatch(sql);
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  });

  it('takes engine and role from the URL', async () => {
    const env = { CONCORDAT_DATABASE_URL: 'postgres://bo%22b:hunter2@h/d' };
    const { exit, stdout } = await runCli(['participant', '--print-sql'], { env });
    expect(stdout).toContain('to "bo""b";');
    expect(stdout).not.toContain('hunter2');
    expect(exit).toBe(0);
  });

  it.each([[['--print-sql']], [['--print-sql', 'oracle']]])('%j says which engines there are', async (args) => {
    const { exit, stderr } = await runCli(['participant', ...args]);
    expect(stderr).toContain('--print-sql postgresql|mysql|mariadb');
    expect(exit).toBe(2);
  });
});
