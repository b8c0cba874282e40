// Logs of an older format: read as they are, upgraded by the next start, and refused by the versions before it.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assert } from '../../src/lib/assert.ts';
import { lifeSeal } from '../../src/log/chain.ts';
import { verifySqliteLog } from '../../src/log/sqlite/backup/verify.ts';
import { openWriter } from '../../src/log/sqlite/file/connection.ts';
import { FORMAT_VERSION, readLife, tablesOf, upgradeLog } from '../../src/log/sqlite/file/schema.ts';
import { complete, decided, gtridOf } from './records.ts';
import { copyLog, openLog, scratchDirectory } from './sqlite-bench.ts';

let root: string;

beforeEach(async () => {
  root = await scratchDirectory();
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

function withDatabase<T>(body: (db: Database.Database) => T): T {
  const db = new Database(join(root, 'log.db'));
  try {
    return body(db);
  } finally {
    db.close();
  }
}

const formatNow = (): unknown => withDatabase((db) => db.pragma('user_version', { simple: true }));

/**
 * Rewrites a closed log as an older format had it: the row of the life has no token, in format 1 also nothing of what is missing, and its
 * seal covers the rest.
 */
function asFormat(format: 1 | 2): void {
  withDatabase((db) => {
    const life = readLife(db);
    assert(typeof life !== 'string', 'the log is whole');
    db.exec(`CREATE TEMP TABLE old AS SELECT * FROM life;
      DROP TABLE life;
      ${tablesOf(format)?.['life']}`);
    const columns = db.prepare<[], { name: string }>("SELECT name FROM pragma_table_info('life')").pluck().all();
    db.exec(`INSERT INTO life SELECT ${columns.join(', ')} FROM old`);
    db.prepare('UPDATE life SET seal = ?').run(lifeSeal(life, format));
    db.pragma(`user_version = ${format}`);
  });
}

async function make(): Promise<void> {
  await using log = await openLog(root);
  await complete(log, 1, 50);
  await log.append([decided(gtridOf(log, 51))], 'forced');
}

test.each([1, 2] as const)(
  'a log of format %i is verified as it is, and the next start upgrades it with everything that it has',
  async (format) => {
    await make();
    asFormat(format);
    const before = await readFile(join(root, 'log.db'));
    expect(await verifySqliteLog(root)).toMatchObject({ problems: [], unfinished: 1 });
    expect(await readFile(join(root, 'log.db'))).toEqual(before);
    for (const epoch of [2, 3]) {
      await using log = await openLog(root);
      expect(log.recovered).toMatchObject({ epoch, unfinished: [decided(gtridOf(log, 51, 1))] });
      expect(log.recovered.lostTo).toBeUndefined();
      expect(log.recovered.token).toMatch(/^[a-z2-7]{12}$/);
      expect(log.outcome(gtridOf(log, 50, 1))).toMatchObject({ kind: 'decided', finished: true });
    }
    expect(formatNow()).toBe(FORMAT_VERSION);
    expect((await verifySqliteLog(root)).problems).toEqual([]);
  },
);

test('a start that dies behind the upgrade leaves a whole log of the new format, in its old epoch', async () => {
  await make();
  asFormat(1);
  const db = openWriter(join(root, 'log.db'), 1_000);
  upgradeLog(db);
  expect(db.pragma('synchronous', { simple: true })).toBe(2);
  const copy = join(root, 'copy');
  await copyLog(root, copy);
  db.close();
  expect(await verifySqliteLog(copy)).toMatchObject({ problems: [], epoch: 1, unfinished: 1 });
  await using log = await openLog(copy);
  expect(log.recovered).toMatchObject({ epoch: 2, unfinished: [decided(gtridOf(log, 51, 1))] });
  expect(log.recovered.lostTo).toBeUndefined();
});

test('what a restored log of format 1 lacks it knows from its watermark, and for good from then on', async () => {
  await make();
  await rm(join(root, 'high-water'));
  await (await openLog(root, { acceptWithoutHighWater: true }))[Symbol.asyncDispose]();
  asFormat(1);
  for (const epoch of [3, 4]) {
    await using log = await openLog(root);
    expect(log.recovered).toMatchObject({ epoch, lostTo: 1 });
  }
});

test('a log whose tables are not those of its format is refused', async () => {
  await make();
  for (const format of [0, 1, 2]) {
    withDatabase((db) => db.pragma(`user_version = ${format}`));
    await expect(openLog(root)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      message: expect.stringContaining('tables'),
    });
  }
});

test('a seal of format 1 that does not fit is damage, and nothing is upgraded', async () => {
  await make();
  asFormat(1);
  withDatabase((db) => db.exec('UPDATE life SET next_epoch = next_epoch + 1'));
  await expect(openLog(root)).rejects.toMatchObject({ code: 'LOG_DAMAGED', message: expect.stringContaining('seal') });
  expect(formatNow()).toBe(1);
});
