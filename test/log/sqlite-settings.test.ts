// The settings that durability rests on, read back from a connection after its first write.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/system-clock.ts';
import { assertFull, openReader, openWriter } from '../../src/log/sqlite/file/connection.ts';
import { readLife } from '../../src/log/sqlite/file/schema.ts';
import { createWriter } from '../../src/log/sqlite/file/writer.ts';
import { openLog, scratchDirectory } from './sqlite-bench.ts';

let root: string;

beforeEach(async () => {
  root = await scratchDirectory();
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe('a connection that writes', () => {
  test('has every setting after its first write', async () => {
    await (await openLog(root))[Symbol.asyncDispose]();
    const db = openWriter(join(root, 'log.db'), 1_000);
    try {
      const life = readLife(db);
      if (typeof life === 'string') {
        throw new Error(life);
      }
      createWriter(db, systemClock).perform({ kind: 'change-life', life, from: life.epoch });
      const setting = (name: string): unknown => db.pragma(name, { simple: true });
      expect(setting('synchronous')).toBe(2);
      expect(setting('journal_mode')).toBe('wal');
      expect(setting('fullfsync')).toBe(1);
      expect(setting('checkpoint_fullfsync')).toBe(1);
      expect(setting('trusted_schema')).toBe(0);
      expect(setting('cell_size_check')).toBe(1);
      expect(setting('mmap_size') ?? 0).toBe(0);
      expect(setting('wal_autocheckpoint')).toBe(4_000);
      expect(setting('journal_size_limit')).toBe(16 * 1024 * 1024);
      const tables = db.prepare('SELECT name, strict FROM pragma_table_list WHERE schema = ?').all('main');
      expect(tables).toEqual(expect.arrayContaining(['life', 'frame', 'segment'].map((name) => ({ name, strict: 1 }))));
    } finally {
      db.close();
    }
  });

  test('that would not wait for its sync is noticed, although it says otherwise before its first write', () => {
    const db = new Database(join(root, 'default.db'));
    db.pragma('journal_mode = WAL');
    expect(() => assertFull(db)).not.toThrow();
    db.exec('CREATE TABLE t (a)');
    expect(() => assertFull(db)).toThrow('synchronous = 1 instead of FULL');
    db.close();
  });
});

test('a connection that only reads cannot write, and leaves the WAL as it is', async () => {
  const path = join(root, 'other.db');
  const writer = new Database(path);
  writer.pragma('journal_mode = WAL');
  writer.exec('CREATE TABLE t (a)');
  const reader = openReader(path);
  writer.close();
  expect(() => reader.exec('INSERT INTO t VALUES (1)')).toThrow();
  reader.close();
  const again = openReader(path);
  expect(again.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: 0 });
  again.close();
});
