// What becomes of the coordinator when nobody takes its log lines: commits do not wait for whoever reads them.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { ScriptedParticipant } from './scripted-participant.ts';
import { openApi } from './unary.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
/** More lines than a pipe holds, each of some hundred bytes. */
const ORPHANS = 5_000;
const IN_ONE_MESSAGE = 500;

let directory = '';
let child: ChildProcess | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'concordat-tests-lines-'));
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** A coordinator whose lines are read until it serves. */
async function serve(): Promise<{ address: string; program: ChildProcess }> {
  const flags = ['--data-dir', directory, '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  const program = spawn(process.execPath, [MAIN, 'coordinator', ...flags], { stdio: ['ignore', 'pipe', 'ignore'] });
  child = program;
  let text = '';
  const read = (bytes: Buffer): void => {
    text += bytes.toString();
  };
  program.stdout.on('data', read);
  const address = await eventually('it serves', () => /"evt":"serving","address":"([^"]+)"/.exec(text)?.[1]);
  program.stdout.off('data', read);
  program.stdout.pause();
  return { address, program };
}

/** The exit code after SIGTERM. */
async function endOf(program: ChildProcess): Promise<number> {
  program.kill('SIGTERM');
  return await eventually('it ends', () => program.exitCode ?? undefined, 10_000);
}

/** Commits at two resources, after the coordinator has had much to say. */
async function commitAfterManyLines(address: string): Promise<string> {
  await using accounts = new ScriptedParticipant(address, 'accounts').beat(500);
  await using orders = new ScriptedParticipant(address, 'orders').beat(500);
  await Promise.all([accounts.hears('welcome'), orders.hears('welcome')]);
  const api = openApi(address);
  try {
    await eventually('both are attached', async () => {
      const { resources } = await api.resources({});
      return resources.filter(({ participants }) => participants.length > 0).length === 2;
    });
    const { logIdentity } = await api.logStatus({});
    for (let n = 0; n < ORPHANS; n += IN_ONE_MESSAGE) {
      const branches = Array.from({ length: IN_ONE_MESSAGE }, (_, index) => ({
        gtrid: `${logIdentity}.1.${(100_000 + n + index).toString(36)}`,
        bqual: 'accounts',
      }));
      accounts.send({ reconcile: { branches } });
    }
    await eventually('the orphans are heard of', () => accounts.heard('finish').length === ORPHANS);
    const { gtrid } = await api.begin({});
    await api.enlist({ gtrid, resource: 'accounts' });
    await api.enlist({ gtrid, resource: 'orders' });
    const { outcome } = await api.commit({ gtrid });
    return String(outcome);
  } finally {
    api.close();
  }
}

it('a coordinator whose lines nobody reads goes on committing (faults F101)', async () => {
  const { address, program } = await serve();
  expect(await commitAfterManyLines(address)).toBe('OUTCOME_COMMITTED');
  expect(await endOf(program)).toBe(0);
});

it('a coordinator whose output was closed goes on committing (faults F101)', async () => {
  const { address, program } = await serve();
  program.stdout?.destroy();
  expect(await commitAfterManyLines(address)).toBe('OUTCOME_COMMITTED');
  expect(await endOf(program)).toBe(0);
});
