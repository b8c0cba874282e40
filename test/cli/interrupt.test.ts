// Ctrl-C at an operator's command: it ends at once with 130, and one sentence says what is known of the change.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startCli } from './run-cli.ts';
import { type Handler, healthyHandlers, ID, openScriptedCoordinator, transaction } from './scripted-coordinator.ts';

const never = new Promise<object>(() => undefined);
const REASON = ['--reason', 'client is gone, INC-1234', '--yes'];

/** Sends SIGINT when the call has come that is never answered: the dry run, or the change itself. */
async function interrupted(args: readonly string[], method: string, at: 'looking' | 'changing', json = false) {
  const answer: Handler = ({ dryRun }) =>
    (dryRun === true) === (at === 'looking') ? never : { transaction: transaction(), effects: ['It would be done.'] };
  const handlers = healthyHandlers({ [method]: answer });
  await using coordinator = await openScriptedCoordinator({ handlers });
  const cli = startCli([...args, '--coordinator', coordinator.address, ...(json ? ['--output', 'json'] : [])]);
  await eventually('the call that is not answered', () =>
    coordinator.calls.some(
      (call) => call.method === method && (call.request['dryRun'] === true) === (at === 'looking'),
    ),
  );
  cli.kill('SIGINT');
  const request = coordinator.calls.at(-1)?.request;
  return { ...(await cli.ended), requestId: String(request?.['requestId']) };
}

describe('Ctrl-C', () => {
  it.each([
    ['ResolveTransaction', ['tx', 'resolve', ID, '--rollback', ...REASON]],
    ['ForgetTransaction', ['tx', 'forget', ID, ...REASON]],
  ])('while %s only looks: nothing was changed', async (method, args) => {
    const { exit, stdout, stderr } = await interrupted(args, method, 'looking');
    expect(stderr).toMatch(
      /^Error INTERRUPTED: The command was interrupted before [^\n]*: nothing was changed\.\nNext: /,
    );
    expect([exit, stdout]).toEqual([130, '']);
  });

  it.each([
    ['ResolveTransaction', ['tx', 'resolve', ID, '--rollback', ...REASON], `concordat tx show ${ID}`],
    ['ForgetTransaction', ['tx', 'forget', ID, ...REASON], `concordat tx show ${ID}`],
    ['RetryTransaction', ['tx', 'retry', ID], `concordat tx explain ${ID}`],
    ['BackupLog', ['log', 'backup', 'copy'], 'concordat log status'],
  ])('after %s was sent: its outcome is not known, and where to look', async (method, args, look) => {
    const { exit, stdout, stderr, requestId } = await interrupted(args, method, 'changing');
    expect(stderr).toMatch(
      /^Error INTERRUPTED: [^\n]* after the change was sent, and whether it was done is not known\.\n/,
    );
    expect(stderr).toContain(`Next: Look with \`${look}\``);
    expect(stderr.includes('--request-id')).toBe(requestId !== 'undefined' && requestId !== '');
    expect([exit, stdout]).toEqual([130, '']);
  });

  it('is one JSON document where JSON is wanted, with the request id', async () => {
    const args = ['tx', 'resolve', ID, '--rollback', ...REASON];
    const { exit, stdout, stderr, requestId } = await interrupted(args, 'ResolveTransaction', 'changing', true);
    expect(JSON.parse(stderr)).toMatchObject({
      version: 1,
      kind: 'error',
      reason: 'INTERRUPTED',
      metadata: { requestId },
      exitCode: 130,
    });
    expect([exit, stdout]).toEqual([130, '']);
  });
});
