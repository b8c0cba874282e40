// The command line itself: help, usage errors, exit codes and formats, in real processes.
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';
import { productVersion } from '../../src/wire/version.ts';
import { runCli } from './run-cli.ts';

/** Nothing listens there: port 1 belongs to no service in use, and root alone could bind it. */
const NOBODY = '127.0.0.1:1';

describe('help', () => {
  it('comes cold within a second and names every command and exit code', async () => {
    // The house figure is 250 ms; the bound leaves room for a machine that does other things as well.
    const runs = [await runCli(['--help']), await runCli(['--help'])];
    expect(Math.min(...runs.map((each) => each.elapsedMs))).toBeLessThan(1_000);
    const [first] = runs;
    expect(first?.exit).toBe(0);
    expect(first?.stderr).toBe('');
    for (const { name } of COMMANDS) {
      expect(first?.stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    }
    expect(first?.stdout).toMatch(/Exit codes:\n {3}0 {2}done\n[\s\S]*\n {2}12 {2}a forced write failed/);
  });

  it.each([[['help', 'tx', 'resolve']], [['tx', 'resolve', '--help']]])(
    '%j shows the options and an example',
    async (args) => {
      const { exit, stdout } = await runCli(args);
      expect(exit).toBe(0);
      expect(stdout).toMatch(/--reason <text> .*\n?.*10 to 1,000/);
      expect(stdout).toContain('Examples:\n  $ concordat tx resolve');
      expect(stdout).toContain('--coordinator <host:port>');
    },
  );

  it('of a program lists every setting with its default, range and variable', async () => {
    const { stdout } = await runCli(['coordinator', '--help'], { env: { COLUMNS: '200' } });
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      '--drain-grace-ms <ms> Longest wait for open transactions after SIGTERM, in milliseconds. (0 to 3600000; default: 20000; CONCORDAT_DRAIN_GRACE_MS)',
    );
  });

  it('without a command goes to standard error, with the exit code of a usage error', async () => {
    const { exit, stdout, stderr } = await runCli([]);
    expect([exit, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Usage: concordat');
  });

  it('the version is the one of the package', async () => {
    expect(await runCli(['--version'])).toMatchObject({ exit: 0, stdout: `${productVersion()}\n` });
  });
});

describe('usage errors', () => {
  it.each([
    ['an unknown command', ['stats'], /unknown command 'stats' \(Did you mean status\?\)/],
    ['help for an unknown command', ['help', 'nope'], /no command "nope"/],
    ['help for an unknown subcommand', ['help', 'tx', 'lst'], /no command "tx lst" \(did you mean list\?\)/],
    ['help for a command of a command that has none', ['help', 'status', 'all'], /no command "status all"/],
    ['an unknown shell', ['completion', 'tcsh'], /Allowed choices are bash, zsh, fish/],
    ['an unknown option', ['status', '--jsn'], /unknown option '--jsn'/],
    ['a missing argument', ['tx', 'show'], /missing required argument 'id'/],
    ['too many arguments', ['status', 'all'], /too many arguments/],
    [
      'an id with an escape sequence (faults B04)',
      ['tx', 'show', 'a\u001b[31m'],
      /'a\\x1b\[31m' is invalid.*not a transaction id/,
    ],
    ['an id that is a path (faults B05)', ['tx', 'show', '../../etc/passwd'], /not a transaction id/],
    ['an id with a look-alike (faults B08)', ['tx', 'show', 'jx3k5q2m7а.2.1f'], /not a transaction id/],
    ['a date for a duration (faults B72)', ['tx', 'list', '--older-than', 'yesterday'], /must be a duration like 90s/],
    ['a negative duration (faults B72)', ['tx', 'list', '--older-than', '-1h'], /must be a duration/],
    ['a duration of ages (faults B72)', ['tx', 'list', '--older-than', '9999y'], /must be a duration/],
    ['a limit of 0 (faults B74)', ['tx', 'list', '--limit', '0'], /whole number from 1/],
    ['a limit of -1 (faults B74)', ['tx', 'list', '--limit', '-1'], /whole number from 1/],
    ['an unknown state', ['tx', 'list', '--state', 'open'], /Allowed are active, preparing/],
    ['an address without a port (faults B58)', ['--coordinator', 'localhost', 'status'], /It must be host:port/],
    ['a timeout of nothing', ['status', '--timeout', '0'], /milliseconds or a duration/],
    ['a playground for others', ['dev', '--listen', '0.0.0.0:7420'], /listens on this machine only/],
    ['an unknown format', ['status', '--output', 'yaml'], /Allowed are table and json/],
    ['a resource name in capitals', ['resource', 'scan', 'Accounts'], /resource name is 1 to 30/],
  ])('%s ends with 2, a sentence and a next step', async (_, args, message) => {
    const { exit, stdout, stderr } = await runCli(args);
    expect(stderr).toMatch(/^Error USAGE: .*\nNext: .*\n$/);
    expect(stderr).toMatch(message);
    expect([exit, stdout]).toEqual([2, '']);
  });

  it('a variable that is wrong is told with its name', async () => {
    const { exit, stderr } = await runCli(['status'], { env: { CONCORDAT_COORDINATOR: '::1:7420' } });
    expect(exit).toBe(2);
    expect(stderr).toMatch(/from env 'CONCORDAT_COORDINATOR' is invalid.*in brackets/);
  });

  it('an error is one JSON document on standard error when JSON is wanted', async () => {
    const { exit, stdout, stderr } = await runCli(['status', '--jsn', '--output=json']);
    expect([exit, stdout]).toEqual([2, '']);
    expect(JSON.parse(stderr)).toEqual({
      version: 1,
      kind: 'error',
      reason: 'USAGE',
      message: "unknown option '--jsn'",
      details: [],
      advice: 'Add --help to the command to see what it takes.',
      metadata: {},
      exitCode: 2,
    });
  });
});

describe('nobody answers', () => {
  it.each([[['status']], [['tx', 'list']], [['doctor']], [['log', 'status']]])('%j ends with 6', async (args) => {
    const { exit, stdout, stderr } = await runCli([...args, '--coordinator', NOBODY]);
    expect(exit).toBe(6);
    expect(`${stdout}${stderr}`).toMatch(
      /No coordinator answers at 127\.0\.0\.1:1: .*\n.*Start it, or name its address/,
    );
  });

  it('a variable names the coordinator, and a flag wins over it (faults B63)', async () => {
    const env = { CONCORDAT_COORDINATOR: '127.0.0.1:2' };
    expect((await runCli(['status'], { env })).stderr).toContain('127.0.0.1:2');
    expect((await runCli(['status', '--coordinator', NOBODY], { env })).stderr).toContain('at 127.0.0.1:1:');
  });

  it('a proxy for the web is not asked to reach a coordinator', async () => {
    const env = { http_proxy: 'http://127.0.0.1:3', grpc_proxy: 'http://127.0.0.1:3' };
    const { exit, stderr } = await runCli(['status', '--coordinator', NOBODY], { env });
    expect(exit).toBe(6);
    expect(stderr).not.toContain('127.0.0.1:3');
  });
});
