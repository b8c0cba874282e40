// The programs as the command line runs them: what they print, what they end with, and the operator's commands on a real coordinator.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Program } from '../../src/dev/program.ts';
import type { BeginResponse__Output } from '../../src/gen/concordat/v1/BeginResponse.ts';
import { wire } from '../../src/wire/proto.ts';
import { useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { runCli, runCliOnTerminal, startCli } from './run-cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'concordat-programs-'));
const running: Program[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.kill()));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ANY_PORT = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];

async function startCoordinator(name: string): Promise<{ program: Program; address: string; dataDir: string }> {
  const dataDir = join(directory, name);
  const program = Program.start({ args: ['coordinator', '--data-dir', dataDir, ...ANY_PORT] });
  running.push(program);
  const { address } = await program.event('serving');
  return { program, address: String(address), dataDir };
}

/** Begins a transaction as an application would, and leaves it open. */
async function begin(address: string): Promise<string> {
  const client = new wire.TransactionService(address, credentials.createInsecure());
  try {
    const answer = await new Promise<BeginResponse__Output>((resolve, reject) => {
      client.begin({ timeoutMs: 600_000 }, (error, value) =>
        error === null && value !== undefined ? resolve(value) : reject(error),
      );
    });
    return answer.gtrid;
  } finally {
    client.close();
  }
}

describe('concordat coordinator', () => {
  it('logs JSON lines with event names, drains on SIGTERM and ends with 0', async () => {
    const { program } = await startCoordinator('drains');
    expect(await program.event('serving')).toMatchObject({ level: 'info', epoch: 1, time: expect.any(Number) });
    program.signal('SIGTERM');
    await program.event('draining');
    expect(await program.ended).toBe(0);
  });

  it('goes on after SIGHUP, which a closed terminal sends, and drains when an operator says so', async () => {
    const { program, address } = await startCoordinator('operators-drain');
    program.signal('SIGHUP');
    expect(await runCli(['status', '--coordinator', address])).toMatchObject({ exit: 0 });
    const id = await begin(address);
    const drain = startCli(['drain', '--coordinator', address]);
    await program.event('draining');
    const rollback = ['tx', 'resolve', id, '--rollback', '--reason', 'client is gone, INC-1234', '--yes'];
    expect(await runCli([...rollback, '--coordinator', address])).toMatchObject({ exit: 0 });
    expect(await drain.ended).toMatchObject({
      exit: 0,
      stdout: `✓ ${address} has ended\n`,
      stderr: `${address} takes no new transactions; 1 are open.\n`,
    });
    expect(await program.ended).toBe(0);
  });

  it('on a log that another one holds ends with 11 and a sentence', async () => {
    const { dataDir } = await startCoordinator('locked');
    const second = await runCli(['coordinator', '--data-dir', dataDir, ...ANY_PORT]);
    expect(second.stderr).toMatch(/^Error LOG_LOCKED: .*\nNext: /);
    expect(second.exit).toBe(11);
    const verify = await runCli(['log', 'verify', '--data-dir', dataDir]);
    expect(verify.exit).toBe(11);
  });

  it('on a file that is no log ends with 9', async () => {
    const dataDir = mkdtempSync(join(directory, 'foreign-'));
    writeFileSync(join(dataDir, 'log.db'), 'not a log, but long enough to look at'.repeat(200));
    writeFileSync(join(dataDir, 'high-water'), '');
    const { exit, stderr } = await runCli(['coordinator', '--data-dir', dataDir, ...ANY_PORT]);
    expect(stderr).toMatch(/^Error LOG_(FOREIGN|DAMAGED): /);
    expect(exit).toBe(9);
  });

  it('on an address that is taken ends with 2 and names it', async () => {
    const { address } = await startCoordinator('first');
    const args = ['coordinator', '--data-dir', join(directory, 'second'), '--admin-listen', '127.0.0.1:0'];
    const { exit, stderr } = await runCli([...args, '--listen', address]);
    expect(stderr).toContain(address);
    expect(stderr).toMatch(/^Error CONFIG_INVALID: /);
    expect(exit).toBe(2);
  });

  it('at a terminal says in a line where it serves, and Ctrl-C ends it', async () => {
    const { exit, stdout } = await runCliOnTerminal(
      ['coordinator', '--data-dir', join(directory, 'tty'), ...ANY_PORT],
      { stdin: '\u0003', typeAfter: /Ctrl-C drains/ },
    );
    expect(stdout).toMatch(
      /Concordat \S+ serves at 127\.0\.0\.1:\d+, health at http:\/\/127\.0\.0\.1:\d+\/readyz, log in /,
    );
    expect(stdout).toMatch(/\d\d:\d\d:\d\d info {2}serving address=127/);
    expect(stdout).not.toContain('{"level"');
    expect(exit).toBe(0);
  });
});

describe('operators at a real coordinator', () => {
  let address = '';
  let program: Program | undefined;
  beforeAll(async () => {
    ({ program, address } = await startCoordinator('operators'));
    running.splice(0);
  });
  afterAll(async () => {
    await program?.kill();
  });
  const ask = (...args: readonly string[]) => runCli([...args, '--coordinator', address]);

  it('status and doctor end with 0', async () => {
    expect(await ask('status')).toMatchObject({ exit: 0, stderr: '' });
    expect(await ask('doctor')).toMatchObject({ exit: 0, stderr: '' });
  });

  it('an open transaction is listed, explained and rolled back by hand, and its outcome stays known', async () => {
    const id = await begin(address);
    expect((await ask('tx', 'list', '--state', 'active')).stdout).toContain(id);
    const explained = await ask('tx', 'explain', id);
    expect(explained.stdout).toMatch(/Decision +none yet[\s\S]*Nothing is decided/);
    expect(explained.exit).toBe(0);

    const rollback = ['tx', 'resolve', id, '--rollback', '--reason', 'client is gone, INC-1234'];
    expect((await ask(...rollback)).exit).toBe(10);
    expect((await ask('tx', 'list')).stdout).toContain(id);
    expect(await ask(...rollback, '--yes')).toMatchObject({ exit: 0, stderr: '' });
    expect((await ask('tx', 'list')).stdout).not.toContain(id);
    const shown = await ask('tx', 'show', id, '--output', 'json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ transaction: { id, outcome: 'rolled-back' } });
    expect((await ask(...rollback, '--yes')).exit).not.toBe(0);
  });

  it('what does not exist ends with 3, also for each verb that acts', async () => {
    const id = 'aaaaaaaaaa.1.1';
    for (const args of [
      ['show', id],
      ['explain', id],
      ['retry', id],
      ['forget', id, '--reason', 'as in INC-1234', '--yes'],
    ]) {
      const { exit, stderr } = await ask('tx', ...args);
      expect(stderr).toMatch(/^Error TXN_NOT_FOUND: /);
      expect(exit).toBe(3);
    }
  });

  it('a page token from another query is refused with 2 (faults B73)', async () => {
    await begin(address);
    await begin(address);
    const { stdout } = await ask('tx', 'list', '--limit', '1', '--output', 'json');
    const { nextPageToken } = JSON.parse(stdout) as { nextPageToken: string };
    expect((await ask('tx', 'list', '--page-token', nextPageToken)).exit).toBe(0);
    for (const args of [
      ['--page-token', 'garbage'],
      ['--page-token', nextPageToken, '--older-than', '1h'],
    ]) {
      const { exit, stderr } = await ask('tx', 'list', ...args);
      expect(stderr).toMatch(/^Error FIELD_INVALID: .*page_token/);
      expect(exit).toBe(2);
    }
  });

  it('a resource that nobody registered ends with 4', async () => {
    const { exit, stderr } = await ask('resource', 'check', 'accounts');
    expect(stderr).toMatch(/^Error RESOURCE_UNKNOWN: /);
    expect(exit).toBe(4);
  });

  it('the log is backed up into a directory that verifies; one that is there already is refused', async () => {
    const made = await ask('log', 'backup', 'backup', '--output', 'json');
    const here = join(directory, 'operators', 'backups', 'backup');
    expect(JSON.parse(made.stdout)).toMatchObject({ kind: 'log-backup', backup: { path: here } });
    expect(await runCli(['log', 'verify', '--data-dir', here])).toMatchObject({ exit: 0 });
    expect((await ask('log', 'backup', 'backup')).exit).not.toBe(0);
  });
});

describe('concordat participant', () => {
  const unfit = useEngine('postgresql-18', { settings: { max_prepared_transactions: '0' } });
  const fit = useEngine('postgresql-18');

  function urlFile(url: string): string {
    const path = join(mkdtempSync(join(directory, 'url-')), 'url');
    writeFileSync(path, `${url}\n`);
    chmodSync(path, 0o600);
    return path;
  }

  it('at a database that cannot take part ends with 2, each finding and its fix', async () => {
    const args = ['participant', '--resource', 'accounts', '--url-file', urlFile(unfit.server.url)];
    const { exit, stderr } = await runCli([...args, '--coordinator', '127.0.0.1:1']);
    expect(stderr).toMatch(/^Error PREFLIGHT_FAILED: max_prepared_transactions: /m);
    expect(stderr).toMatch(/\nNext: /);
    expect(exit).toBe(2);
  });

  it('attaches, is listed, checked and scanned, and ends with 0 on SIGTERM', async () => {
    const { address } = await startCoordinator('attached');
    const sidecar = Program.start({
      args: ['participant', '--resource', 'accounts', '--url-file', urlFile(fit.server.url), '--coordinator', address],
    });
    running.push(sidecar);
    await sidecar.event('attached');
    const ask = (...args: readonly string[]) => runCli([...args, '--coordinator', address]);
    await eventually('the participant is listed', async () =>
      (await ask('resource', 'list')).stdout.includes('postgresql 18'),
    );
    expect(await ask('resource', 'check', 'accounts')).toMatchObject({ exit: 0, stderr: '' });
    expect(await ask('resource', 'scan', 'accounts')).toMatchObject({ exit: 0, stdout: '' });
    expect(await ask('doctor')).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(/✓ resource accounts: postgresql 18/),
    });
    sidecar.signal('SIGTERM');
    expect(await sidecar.ended).toBe(0);
    expect((await ask('doctor')).exit).toBe(6);
  });
});
