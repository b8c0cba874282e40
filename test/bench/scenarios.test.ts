// `npm run bench:scenario` and `bench:coordinator` in their shortest forms, where no database is needed: they measure, and find what is
// wrong.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { wrongAfter } from '../../bench/coordinator/wrong.ts';
import { skipWithoutStrace } from '../log/children/run.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'bench', 'scenarios', 'main.ts');

function run(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [MAIN, ...args]);
}

/** The rows of the table. @throws where the command ended with another code than 0. */
async function rows(...args: readonly string[]): Promise<Record<string, string | number>[]> {
  const { stdout } = await run(...args, '--json');
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
}

const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0, 'is positive');

describe('a scenario, in short', { timeout: 60_000 }, () => {
  test('branches: a row for each number of branches, and each slower participant', async () => {
    const measured = await rows(
      ...['branches', '--counts', '1,2,4', '--answer-ms', '0,1', '--rounds', '1', '--seconds', '0.2'],
    );
    expect(measured.map((row) => [row['answer ms'], row['branches']])).toEqual([
      [0, 1],
      [0, 2],
      [0, 4],
      [1, 1],
      [1, 2],
      [1, 4],
    ]);
    for (const row of measured) {
      expect(row).toMatchObject({ commits: positive, 'p50 ms': positive, 'p50 to that of 2': positive });
    }
    // Two waits, for the votes and for the commits; timers may be early by a part of a millisecond.
    expect(measured[4]?.['p50 ms']).toBeGreaterThan(1.5);
  });

  test('history: none, what the retention keeps, and all of it', async () => {
    const measured = await rows('history', '--finished', '3000', '--rounds', '1', '--seconds', '0.2');
    expect(measured.map((row) => row['finished'])).toEqual(['none', '3000, 3000 kept', '3000, all kept']);
    for (const row of measured) {
      expect(row).toMatchObject({ 'start ms': positive, 'commits/s': positive, 'p50 to none': positive });
    }
  });

  test('recovery: serves, and carries out every decision', async () => {
    const [row] = await rows('recovery', '--unfinished', '500');
    expect(row).toMatchObject({ unfinished: 500, 'start ms': positive, 'until cleared ms': positive });
  });

  test('memory: transactions are open, and commit', async () => {
    const measured = await rows('memory', '--open', '200');
    expect(measured.map((row) => [row['moment'], row['transactions']])).toEqual([
      ['nothing', 0],
      ['open', 50],
      ['open', 100],
      ['open', 150],
      ['open', 200],
      ['committed', 200],
    ]);
    expect(measured[0]).toMatchObject({ 'resident MiB': positive, 'peak MiB': positive });
  });

  test.skipIf(skipWithoutStrace)('slow-disk: each sync takes longer, and commits share it', async () => {
    const measured = await rows('slow-disk', '--delay-ms', '5', '--in-flight', '4', '--seconds', '0.3');
    expect(measured.map((row) => row['added ms'])).toEqual([0, 5]);
    expect(measured[1]?.['flush ms']).toBeGreaterThanOrEqual(5);
    expect(measured[1]?.['p50 ms']).toBeGreaterThanOrEqual(5);
    expect(measured[1]?.['forced writes each']).toBeLessThan(1);
  });
});

test('the coordinator alone: a row for each number of branches and of transactions in flight', {
  timeout: 60_000,
}, async () => {
  const alone = join(import.meta.dirname, '..', '..', 'bench', 'coordinator', 'main.ts');
  const args = ['--branches', '1,2', '--in-flight', '1,8', '--seconds', '0.2', '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, [alone, ...args]);
  const measured = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  expect(measured).toMatchObject([
    { branches: 1, inFlight: 1, tps: positive, forcedWrites: 0 },
    { branches: 1, inFlight: 8, tps: positive, forcedWrites: 0 },
    { branches: 2, inFlight: 1, tps: positive, forcedWrites: positive },
    { branches: 2, inFlight: 8, tps: positive, forcedWrites: positive },
  ]);
});

describe('what is wrong', () => {
  const status = (unfinishedDecisions: number) => async () => ({ unfinishedDecisions });
  const told = (committed: number, rolledBack: number) => [{ resource: 'accounts', told: { committed, rolledBack } }];

  test('is nothing where every branch was told to commit once', async () => {
    expect(await wrongAfter({ status: status(0) }, told(7, 0), 7)).toEqual([]);
  });

  test.each([
    { name: 'a branch was never told', unfinished: 0, branches: told(6, 0) },
    { name: 'a branch was told twice', unfinished: 0, branches: told(8, 0) },
    { name: 'a branch was rolled back', unfinished: 0, branches: told(7, 1) },
    { name: 'a decision is left', unfinished: 1, branches: told(7, 0) },
  ])('is said in one sentence: $name', async ({ unfinished, branches }) => {
    expect(await wrongAfter({ status: status(unfinished) }, branches, 7)).toHaveLength(1);
  });
});

describe('the command', () => {
  test('says which scenarios there are, and their options', async () => {
    const { stdout } = await run('--help');
    for (const text of [
      'branches:',
      '--counts',
      'history:',
      'recovery:',
      'memory:',
      'slow-disk:',
      '--delay-ms',
      'contention:',
      'mixes:',
      'long:',
    ]) {
      expect(stdout).toContain(text);
    }
  });

  test.each([
    { args: ['nothing'], complaint: 'NAME: nothing is none of branches' },
    { args: ['memory', '--open', 'many'], complaint: '--open: many is not a number' },
    { args: ['memory', '--opn', '3'], complaint: "Unknown option '--opn'" },
  ])('refuses $args in one sentence', async ({ args, complaint }) => {
    await expect(run(...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(complaint) });
  });
});
