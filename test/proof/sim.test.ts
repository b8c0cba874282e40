// The simulator itself: the same seed is the same run, and what is broken on purpose is found.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CANARIES, type Canary } from '../../proof/sim/canaries.ts';
import { Chance } from '../../proof/sim/chance.ts';
import { simulate } from '../../proof/sim/simulate.ts';
import { Trace } from '../../proof/sim/trace.ts';
import { World } from '../../proof/sim/world.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '..', '..', 'proof', 'sim', 'main.ts');

describe('simulated time', () => {
  test('brings events in the order of their moments, each with the promises that it settles', async () => {
    const world = new World(new Chance(1), new Trace());
    const seen: string[] = [];
    for (const at of [30, 10, 20, 10]) {
      world.after(at, () => {
        seen.push(`${world.now}`);
        void Promise.resolve()
          .then(() => undefined)
          .then(() => seen.push('after'));
      });
    }
    world.after(15, () => seen.push('never')).cancel();
    await world.run(() => false, 25);
    expect(seen).toEqual(['10', 'after', '10', 'after', '20', 'after']);
    expect(world.now).toBe(25);
  });
});

describe('a simulation', () => {
  test('of the same seed is the same, line by line', async () => {
    for (const seed of [3, 1_033]) {
      const once = async (): Promise<string> => {
        const lines: string[] = [];
        await simulate({ seed, transactions: 40, trace: new Trace({ print: (line) => lines.push(line) }) });
        return lines.join('\n');
      };
      const first = await once();
      expect(first.length).toBeGreaterThan(10_000);
      expect(await once()).toBe(first);
    }
  });

  test('of another seed is another', async () => {
    const digest = async (seed: number): Promise<string> =>
      (await simulate({ seed, transactions: 5, trace: new Trace({ hash: true }) })).digest;
    expect(await digest(1)).not.toBe(await digest(2));
  });

  test('is the same whether somebody reads its trace or not', async () => {
    const [read, unread] = [new Trace({ hash: true }), new Trace()];
    const one = await simulate({ seed: 9, transactions: 60, trace: read });
    const other = await simulate({ seed: 9, transactions: 60, trace: unread });
    expect({ ...other, digest: one.digest }).toEqual(one);
  });
});

describe('the judges', () => {
  test.each(Object.keys(CANARIES) as Canary[])('find %s', { timeout: 120_000 }, async (canary) => {
    let violations = 0;
    for (let seed = 1; seed <= 300 && violations === 0; seed += 1) {
      violations = (await simulate({ seed, transactions: 60, plant: canary })).violations.length;
    }
    expect(violations).toBeGreaterThan(0);
  });
});

describe('npm run sim', () => {
  test('runs many seeds on every core and ends with one line of JSON (faults F59)', { timeout: 120_000 }, async () => {
    const { stdout } = await run(process.execPath, [
      MAIN,
      '--seeds',
      '45',
      '--from',
      '70',
      '--transactions',
      '20',
      '--json',
    ]);
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
    expect(last).toMatchObject({ seeds: 45, violations: 0, repeated: 1 });
    expect(last.transactions).toBeGreaterThan(300);
  });

  test('shows one seed with everything that happens in it', async () => {
    const { stdout } = await run(process.execPath, [MAIN, '--seed', '70', '--transactions', '5']);
    expect(stdout.split('\n')[0]).toContain('"seed":70');
    expect(stdout).toMatch(/0 violations, trace [0-9a-f]{64}\n$/);
  });

  test('refuses what it does not know', async () => {
    await expect(run(process.execPath, [MAIN, '--sede', '1'])).rejects.toMatchObject({ code: 2 });
  });
});
