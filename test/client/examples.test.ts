// Every example does what it says, on the tables of the playground.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, useSystem } from '../e2e/system.ts';

const FOLDER = resolve(import.meta.dirname, '../../examples');
const SCRIPT = resolve(import.meta.dirname, '../../scripts/example.mjs');
const pair = useSystem('mariadb');

/** As `npm run example` does it. */
async function run(file: string, args: readonly string[]): Promise<string> {
  const name = file.replace(/\.\w+$/, '');
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, name, ...args], { timeout: 20_000 });
  return stdout;
}

const EXAMPLES: Readonly<Record<string, { readonly args: () => readonly string[]; readonly says: RegExp }>> = {
  'order.ts': { args: () => [pair.system.cluster.address], says: /is placed and paid/ },
  'one-shot.ts': { args: () => [pair.system.cluster.address], says: /ordered in one go; the customer has 975 left/ },
  'own-connections.ts': {
    args: () => [pair.accounts.server.url, pair.orders.server.url, pair.system.cluster.address],
    says: /committed; the customer has 975 left/,
  },
  'two-services.ts': {
    args: () => [pair.system.cluster.address],
    says: /ordered at one service and paid at the other/,
  },
  'unary-client.mjs': { args: () => [pair.system.cluster.address], says: /OUTCOME_COMMITTED/ },
};

test('without a name, or with a wrong one, the command lists them', async () => {
  const names = Object.keys(EXAMPLES).map((file) => file.replace(/\.\w+$/, ''));
  await expect(run('', [])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('npm run example order'),
  });
  const wrong = run('ordr.ts', []);
  await expect(wrong).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('There is no example ordr') });
  for (const name of names) {
    await expect(wrong).rejects.toMatchObject({ stderr: expect.stringContaining(name) });
  }
});

test('every example is run here', () => {
  const files = readdirSync(FOLDER).filter((name) => /\.(?:ts|mjs)$/.test(name));
  expect(files.sort()).toEqual(Object.keys(EXAMPLES).sort());
});

for (const [file, { args, says }] of Object.entries(EXAMPLES)) {
  test(`${file} orders for 25, and the books balance`, async () => {
    expect(await run(file, args())).toMatch(says);
    const { deposit, spent } = await settled(pair.system);
    expect([deposit, spent]).toEqual([DEPOSIT - 25, 25]);
  });
}
