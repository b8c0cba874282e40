// Every example does what it says, on the tables of the playground.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, useSystem } from '../e2e/system.ts';

const FOLDER = resolve(import.meta.dirname, '../../examples');
const pair = useSystem('mariadb');

async function run(file: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [resolve(FOLDER, file), ...args], { timeout: 20_000 });
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
