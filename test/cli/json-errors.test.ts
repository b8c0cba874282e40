// `--output json`: whatever goes wrong, standard error holds one document on one line, and standard output nothing or a document.
import { describe, expect, it } from 'vitest';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { ask } from './ask.ts';
import { type CliResult, runCli } from './run-cli.ts';
import { ID } from './scripted-coordinator.ts';

const REASON = ['--reason', 'client is gone, INC-1234'];
const NOBODY = ['--coordinator', '127.0.0.1:1'];
const GROUPS = [[], ['tx'], ['log'], ['resource'], ['config']];
/** Of every command that asks a coordinator. */
const ASKING = [
  ['status'],
  ['tx', 'list'],
  ['tx', 'show', ID],
  ['tx', 'explain', ID],
  ['tx', 'retry', ID],
  ['tx', 'resolve', ID, '--rollback', '--yes', ...REASON],
  ['tx', 'forget', ID, '--yes', ...REASON],
  ['resource', 'list'],
  ['resource', 'health'],
  ['resource', 'check', 'orders'],
  ['resource', 'scan', 'orders'],
  ['resource', 'accept', 'orders', '--yes', ...REASON],
  ['resource', 'forget', 'orders', '--yes', ...REASON],
  ['log', 'status'],
  ['log', 'backup', 'copy'],
  ['log', 'adopt', '--yes', ...REASON],
  ['drain'],
  ['audit', 'list'],
  ['audit', 'export'],
];
const OTHERS = [['log', 'verify'], ['coordinator'], ['participant'], ['dev'], ['doctor']];
const SETTINGS = ['coordinator', 'participant', 'config check coordinator', 'config show participant'];

function errorOf({ exit, stdout, stderr }: CliResult): unknown {
  expect(stderr).toMatch(/^[^\n]+\n$/);
  const error = JSON.parse(stderr) as { exitCode: number; message: string; advice: string };
  expect(error).toMatchObject({ version: 1, kind: 'error', exitCode: exit });
  expect(error.message.length).toBeGreaterThan(10);
  expect(error.advice.length).toBeGreaterThan(10);
  expect(stdout).toBe('');
  return error;
}

describe('a usage error is one document', () => {
  it.each([...GROUPS, ...ASKING, ...OTHERS].map((args) => [args.join(' '), args]))('%s --nope', async (_, args) => {
    const result = await runCli([...args, '--nope', '--output', 'json']);
    expect(errorOf(result)).toMatchObject({ reason: 'USAGE', exitCode: 2 });
  });

  it.each([[['--output=json']], [['--output', 'table', '--output=json', '-v']]])('with %j', async (json) => {
    expect(errorOf(await runCli(['status', '--nope', ...json]))).toMatchObject({ reason: 'USAGE', exitCode: 2 });
  });
});

describe('an error is one document', () => {
  it.each(GROUPS.map((args) => [args.join(' '), args]))('when a command is missing: %s', async (_, args) => {
    const result = await runCli([...args, '--output', 'json']);
    expect(errorOf(result)).toMatchObject({ reason: 'USAGE', message: 'a command is missing' });
  });

  it.each(ASKING.map((args) => [args.join(' '), args]))('when nobody answers: %s', async (_, args) => {
    const result = await runCli([...args, ...NOBODY, '--output', 'json']);
    expect(errorOf(result)).toMatchObject({ reason: 'CONNECTION_LOST', exitCode: 6 });
    const { stack, ...error } = errorOf(await runCli([...args, ...NOBODY, '-v', '--output', 'json'])) as Record<
      string,
      unknown
    >;
    expect(error).toMatchObject({ reason: 'CONNECTION_LOST' });
    expect(stack).toEqual(expect.arrayContaining([expect.stringContaining('    at ')]));
  });

  it.each(ASKING.map((args) => [args.join(' '), args]))('when the coordinator refuses: %s', async (_, args) => {
    const refuse = (): never => {
      throw new CoordinatorError('DRAINING', 'not \u001b yet, not now', { metadata: { resource: 'orders' } });
    };
    const methods = [
      'ListTransactions',
      'GetTransaction',
      'ResolveTransaction',
      'ForgetTransaction',
      'RetryTransaction',
    ];
    methods.push(
      'ListResources',
      'ScanResource',
      'AcceptResource',
      'ForgetResource',
      'GetLogStatus',
      'AdoptLog',
      'BackupLog',
      'ListAudit',
    );
    const result = await ask([...args, '--output', 'json'], Object.fromEntries(methods.map((name) => [name, refuse])));
    expect(errorOf(result)).toMatchObject({ reason: 'DRAINING', exitCode: 6, metadata: { resource: 'orders' } });
  });

  it.each(SETTINGS)('when settings cannot be used: %s', async (command) => {
    const result = await runCli([...command.split(' '), '--config', '/nowhere.json', '--output', 'json']);
    expect(errorOf(result)).toMatchObject({ reason: 'CONFIG_INVALID', exitCode: 2 });
  });

  it('and the last word about the format counts', async () => {
    const { stderr } = await runCli(['status', ...NOBODY, '--output=json', '--output', 'table', '--nope']);
    expect(stderr).toMatch(/^Error USAGE: /);
  });
});
