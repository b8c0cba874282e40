// What a log does with files that are foreign or newer: it refuses them with a reason, and changes nothing.
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { frameHash } from '../../src/log/chain.ts';
import { verifySqliteLog } from '../../src/log/sqlite/backup/verify.ts';
import { FORMAT_VERSION, readLife } from '../../src/log/sqlite/file/schema.ts';
import { complete } from './records.ts';
import { openLog } from './sqlite-bench.ts';
import { copyOf, makeSampleLogs, type SampleLogs } from './sqlite-samples.ts';

let logs: SampleLogs;

beforeAll(async () => {
  logs = await makeSampleLogs();
});

afterAll(async () => {
  await rm(logs.root, { recursive: true, force: true });
});

describe('a foreign or newer file', () => {
  async function other(sql: string): Promise<string> {
    const path = join(logs.root, 'other.db');
    const db = new Database(path);
    db.exec(sql);
    db.close();
    return path;
  }

  test.each([
    ['no bytes at all', Buffer.alloc(0), /the file is empty/],
    ['one byte', Buffer.from('x'), /not an SQLite database/],
    ['random bytes', randomBytes(50_000), /not an SQLite database/],
    ['text', Buffer.from('not a log, but long enough to be mistaken for one\n'.repeat(50)), /not an SQLite database/],
  ])('is refused and left as it is: %s (faults B75)', async (_, bytes, message) => {
    const directory = join(logs.root, `foreign-${bytes.length}`);
    await mkdir(directory);
    await writeFile(join(directory, 'log.db'), bytes);
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_FOREIGN',
      message: expect.stringMatching(message),
    });
    expect(await readFile(join(directory, 'log.db'))).toEqual(bytes);
  });

  test('that is another SQLite database is refused by what it says it is (faults B75)', async () => {
    const directory = join(logs.root, 'another-database');
    await mkdir(directory);
    await copyFile(await other('PRAGMA application_id = 7; CREATE TABLE t (a)'), join(directory, 'log.db'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_FOREIGN',
      message: expect.stringContaining('another SQLite database (application id 7)'),
    });
  });

  test('that is the log of another identity than its mark is refused', async () => {
    const directory = join(logs.root, 'another-log');
    await (await openLog(directory))[Symbol.asyncDispose]();
    await copyFile(join(logs.closed, 'high-water'), join(directory, 'high-water'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_FOREIGN',
      message: expect.stringContaining('belongs to'),
    });
  });

  test('that is the WAL of another database is refused, and the log is whole again when it is taken away (faults B78)', async () => {
    const strange = join(logs.root, 'strange.db');
    const db = new Database(strange);
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)');
    const directory = await copyOf(logs.closed);
    await copyFile(`${strange}-wal`, join(directory, 'log.db-wal'));
    db.close();
    await expect(openLog(directory)).rejects.toMatchObject({ code: expect.stringMatching(/LOG_(DAMAGED|FOREIGN)/) });
    await rm(join(directory, 'log.db-wal'));
    await rm(join(directory, 'log.db-shm'), { force: true });
    await using log = await openLog(directory);
    expect(log.recovered.unfinished).toEqual(logs.unfinished);
  });

  test('that is the WAL of another log is refused (faults B78)', async () => {
    const directory = join(logs.root, 'log-with-strange-wal');
    const log = await openLog(directory);
    await complete(log, 1, 20);
    await log[Symbol.asyncDispose]();
    await copyFile(join(logs.killed, 'log.db-wal'), join(directory, 'log.db-wal'));
    await expect(openLog(directory)).rejects.toMatchObject({ code: expect.stringMatching(/LOG_(DAMAGED|FOREIGN)/) });
  });

  test('of a newer format is refused (faults F24)', async () => {
    const directory = await copyOf(logs.closed);
    const db = new Database(join(directory, 'log.db'));
    db.pragma(`user_version = ${FORMAT_VERSION + 1}`);
    db.close();
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_NEWER',
      message: expect.stringContaining(`format ${FORMAT_VERSION + 1}`),
    });
  });

  test('with a record of a newer kind is refused, and its epoch is not touched (faults F24)', async () => {
    const directory = await copyOf(logs.closed);
    const db = new Database(join(directory, 'log.db'));
    const life = readLife(db);
    if (typeof life === 'string') {
      throw new Error(life);
    }
    const newest = db.prepare('SELECT number, epoch, last, hash FROM frame ORDER BY number DESC').get() as {
      number: number;
      epoch: number;
      last: number;
      hash: Buffer;
    };
    const header = { number: newest.number + 1, epoch: newest.epoch, last: newest.last + 1, records: 1 };
    const payload = Buffer.from(`${header.last} {"kind":"teleported","gtrid":"${life.identity}.1.1"}`);
    const hash = frameHash(life.identity, header, newest.hash, payload);
    db.prepare('INSERT INTO frame VALUES (?, ?, ?, ?, ?, ?)').run(
      header.number,
      header.epoch,
      header.last,
      1,
      hash,
      payload,
    );
    db.close();
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_NEWER',
      message: expect.stringContaining('teleported'),
    });
    expect(await verifySqliteLog(directory)).toMatchObject({ epoch: life.epoch, problems: [{ code: 'LOG_NEWER' }] });
  });
});
