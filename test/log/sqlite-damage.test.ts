// What a log does with files that are damaged, incomplete, foreign or newer: it refuses them with a reason, and changes nothing.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { frameHash, sameHash } from '../../src/log/chain.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { decodeHighWater, encodeHighWater, readHighWater } from '../../src/log/sqlite/high-water.ts';
import { inspectLog } from '../../src/log/sqlite/inspect.ts';
import { headOf } from '../../src/log/sqlite/opening.ts';
import { replay } from '../../src/log/sqlite/replay.ts';
import { FORMAT_VERSION, readLife } from '../../src/log/sqlite/schema.ts';
import { verifySqliteLog } from '../../src/log/sqlite/verify.ts';
import { scanWal } from '../../src/log/sqlite/wal-scan.ts';
import { eventually } from '../support/eventually.ts';
import { complete, decided, gtridOf, heuristic, registered } from './records.ts';
import { copyLog, openLog, scratchDirectory } from './sqlite-bench.ts';

let root: string;
/** As a killed process leaves it: with a WAL, and a high-water mark that has caught up. */
let killed: string;
/** As a closed log leaves it: no WAL. */
let closed: string;
/** The first high-water mark of the killed log: it knows next to nothing. */
let earlyMark: string;
let unfinished: readonly LogRecord[];

let scratches = 0;

async function copyOf(from: string): Promise<string> {
  scratches += 1;
  const to = join(root, `scratch-${scratches}`);
  await copyLog(from, to);
  return to;
}

beforeAll(async () => {
  root = await scratchDirectory();
  const live = join(root, 'live');
  const options = { compactAfter: 32, outcomesRetainedMax: 200, walPagesMax: 300 };
  const first = await openLog(live, options);
  earlyMark = await readFile(join(live, 'high-water'), 'utf8');
  await first.append([registered('accounts', 'system-1'), registered('orders', 'system-2')], 'forced');
  await complete(first, 1, 200);
  await first[Symbol.asyncDispose]();
  await using log = await openLog(live, options);
  await complete(log, 1, 150);
  for (let sequence = 201; sequence <= 240; sequence += 1) {
    await log.append([decided(gtridOf(log, sequence))], 'forced');
  }
  await log.append([heuristic(gtridOf(log, 201))], 'forced');
  await eventually('the mark has caught up', async () => {
    const mark = await readHighWater(join(live, 'high-water'));
    return typeof mark !== 'string' && mark.sequence === log.status().lastSequence;
  });
  killed = join(root, 'killed');
  await copyLog(live, killed);
  await log[Symbol.asyncDispose]();
  closed = join(root, 'closed');
  await copyLog(live, closed);
  await using reopened = await openLog(await copyOf(killed));
  unfinished = reopened.recovered.unfinished;
  expect(unfinished).toHaveLength(41);
  expect((await stat(join(killed, 'log.db-wal'))).size).toBeGreaterThan(100_000);
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

/** Everything that a log says, or the code with which it is refused. */
async function contentsOf(directory: string): Promise<string> {
  const mark = await readHighWater(join(directory, 'high-water'));
  const highWater = typeof mark === 'string' ? undefined : mark;
  const inspection = inspectLog(join(directory, 'log.db'), { highWater, historyBytesMax: Number.POSITIVE_INFINITY });
  if (inspection.kind === 'refused') {
    return inspection.problem.code;
  }
  const { image } = inspection;
  const replayed = await replay(image);
  if (replayed.kind === 'refused') {
    return replayed.problem.code;
  }
  const { hash, ...head } = headOf(image);
  const segments = image.segments.map((segment) => Buffer.from(segment.hash).toString('hex'));
  return JSON.stringify([head, Buffer.from(hash).toString('hex'), segments, replayed.ledger.unfinished()]);
}

/** Repeatable dice. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** Flips one bit in each of many copies; counts how often the log was refused, said the same, or said something else. */
async function flipBits(from: string, file: string, samples: number, seed: number) {
  const directory = await copyOf(from);
  const truth = await contentsOf(await copyOf(from));
  const original = await readFile(join(from, file));
  const main = await readFile(join(from, 'log.db'));
  const roll = dice(seed);
  const verdicts = { refused: 0, same: 0, silent: [] as number[] };
  for (let sample = 0; sample < samples; sample += 1) {
    const flipped = Buffer.from(original);
    const bit = roll(original.length * 8);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    await rm(join(directory, 'log.db-shm'), { force: true });
    await writeFile(join(directory, 'log.db'), main);
    await writeFile(join(directory, file), flipped);
    const found = await contentsOf(directory);
    if (found === truth) {
      verdicts.same += 1;
    } else if (found.startsWith('LOG_')) {
      verdicts.refused += 1;
    } else {
      verdicts.silent.push(bit);
    }
  }
  return verdicts;
}

describe('damage', () => {
  test('of one bit in the main file is refused, or changes nothing that the log says (faults F36, conformance C9)', async () => {
    const { refused, silent } = await flipBits(closed, 'log.db', 250, 1);
    expect(silent).toEqual([]);
    expect(refused).toBeGreaterThan(50);
  });

  test('of one bit in the WAL is refused, or changes nothing that the log says (faults F37, conformance C9)', async () => {
    const { refused, silent } = await flipBits(killed, 'log.db-wal', 250, 2);
    expect(silent).toEqual([]);
    expect(refused).toBeGreaterThan(50);
  });

  test('of one bit in the early part of the WAL is found without the high-water mark (faults F37)', async () => {
    const directory = await copyOf(killed);
    const wal = join(directory, 'log.db-wal');
    const original = await readFile(wal);
    expect(scanWal(wal)).toBeUndefined();
    const frameBytes = 24 + 4096;
    for (const frame of [0, 1, 7, 20]) {
      for (const offset of [0, 5, 9, 17, 24, 2_000]) {
        const flipped = Buffer.from(original);
        const at = 32 + frame * frameBytes + offset;
        flipped[at] = (flipped[at] ?? 0) ^ 4;
        await writeFile(wal, flipped);
        expect(scanWal(wal), `frame ${frame}, offset ${offset}`).toMatch(/is damaged/);
      }
    }
  });

  test('that makes a page in use look free is refused, before anything is written over it', async () => {
    const directory = await copyOf(closed);
    const path = join(directory, 'log.db');
    const bytes = await readFile(path);
    // https://sqlite.org/fileformat2.html#the_freelist: the first trunk page, its count of leaves, and the leaves.
    const trunk = (bytes.readUInt32BE(32) - 1) * 4096;
    expect(bytes.readUInt32BE(trunk + 4)).toBeGreaterThan(0);
    const truth = await contentsOf(await copyOf(closed));
    bytes.writeUInt32BE(2, trunk + 8);
    await writeFile(path, bytes);
    expect(await contentsOf(directory)).not.toBe(truth);
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
  });

  test('of one bit anywhere in the high-water file is noticed', async () => {
    const original = await readFile(join(killed, 'high-water'));
    expect(decodeHighWater(original.toString('utf8'))).toBeDefined();
    for (let bit = 0; bit < original.length * 8; bit += 1) {
      const flipped = Buffer.from(original);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeHighWater(flipped.toString('utf8')), `bit ${bit}`).toBeUndefined();
    }
  });
});

describe('a lost part', () => {
  test('of the WAL is refused wherever it is cut', async () => {
    const truth = await contentsOf(await copyOf(killed));
    const { size } = await stat(join(killed, 'log.db-wal'));
    let refused = 0;
    for (let part = 0; part < 40; part += 1) {
      const directory = await copyOf(killed);
      await truncate(join(directory, 'log.db-wal'), Math.floor((size * part) / 40));
      const found = await contentsOf(directory);
      // A WAL is written again from its start: what lies behind its last frame belongs to an earlier round.
      expect(['LOG_DAMAGED', truth]).toContain(found);
      refused += found === 'LOG_DAMAGED' ? 1 : 0;
    }
    expect(refused).toBeGreaterThan(3);
  });

  test('that is the whole WAL is refused, in words that say what is missing', async () => {
    const directory = await copyOf(killed);
    await rm(join(directory, 'log.db-wal'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      message: expect.stringMatching(/it ends at record \d+, but record \d+ had been written: a part is lost/),
    });
  });

  test('at the torn end of the WAL, which nobody was told of, is dropped, and all earlier decisions are kept (conformance C8)', async () => {
    const directory = await copyOf(killed);
    await writeFile(join(directory, 'high-water'), earlyMark);
    const wal = join(directory, 'log.db-wal');
    const bytes = await readFile(wal);
    const mxFrame = lastFrameOf(bytes);
    await truncate(wal, 32 + (mxFrame - 1) * (24 + 4096) + 1_000);
    await using log = await openLog(directory);
    // The heuristic record was the last one; the forty decisions before it are there.
    expect(log.recovered.unfinished).toEqual(unfinished.filter((record) => record.kind === 'decided'));
  });

  test('that is the log itself is refused when the mark is still there', async () => {
    const directory = await copyOf(closed);
    await rm(join(directory, 'log.db'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      message: expect.stringContaining('is gone'),
    });
    expect(await readdir(directory)).not.toContain('log.db');
  });

  test('that is the high-water file is refused, unless the operator accepts that silence proves nothing then', async () => {
    const directory = await copyOf(closed);
    await rm(join(directory, 'high-water'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      message: expect.stringContaining('high-water'),
    });
    await using log = await openLog(directory, { acceptWithoutHighWater: true });
    expect(log.recovered.unfinished).toEqual(unfinished);
    expect(log.outcome(gtridOf(log, 5_000, log.recovered.epoch - 1))).toEqual({ kind: 'expired' });
    expect(log.outcome(gtridOf(log, 5_000))).toEqual({ kind: 'silent' });
  });

  test.each([
    ['a frame', 'DELETE FROM frame WHERE number = (SELECT max(number) - 5 FROM frame)'],
    ['the newest frame', 'DELETE FROM frame WHERE number = (SELECT max(number) FROM frame)'],
    ['the oldest frame', 'DELETE FROM frame WHERE number = (SELECT min(number) FROM frame)'],
    ['the oldest segment', 'DELETE FROM segment WHERE number = (SELECT min(number) FROM segment)'],
    ['the newest segment', 'DELETE FROM segment WHERE number = (SELECT max(number) FROM segment)'],
    ['a payload', "UPDATE frame SET payload = x'' WHERE number = (SELECT max(number) - 5 FROM frame)"],
    ['an epoch', 'UPDATE life SET epoch = epoch - 1'],
    ['a watermark', 'UPDATE life SET watermark_sequence = watermark_sequence + 1'],
    ['what is missing', 'UPDATE life SET lost_to = lost_to + 1'],
    ['a number', 'UPDATE frame SET last = last + 1 WHERE number = (SELECT max(number) FROM frame)'],
  ])('that somebody took with SQL is refused: %s', async (_, sql) => {
    const directory = await copyOf(closed);
    const db = new Database(join(directory, 'log.db'));
    expect(db.prepare(sql).run().changes).toBe(1);
    db.close();
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
    const { problems } = await verifySqliteLog(directory);
    expect(problems).toMatchObject([{ code: 'LOG_DAMAGED' }]);
  });
});

describe('a retained outcome', () => {
  test.each([
    ['before a flush has begun', 0],
    ['in the middle of a flush', 1],
  ])('that cannot be read fails the log instead of being taken for silence: %s', async (_, turns) => {
    const directory = await copyOf(closed);
    const log = await openLog(directory);
    const intruder = new Database(join(directory, 'log.db'));
    intruder.exec("UPDATE segment SET payload = CAST(replace(payload, 'accounts', 'Accounts') AS BLOB)");
    intruder.close();
    // The log is at work meanwhile, and must come to its end all the same.
    const waiting = log.append([decided(gtridOf(log, 1))], 'forced');
    for (let turn = 0; turn < turns; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(() => log.outcome(gtridOf(log, 20, 1))).toThrow(expect.objectContaining({ code: 'LOG_DAMAGED' }));
    await expect(waiting).rejects.toMatchObject({ code: 'LOG_FAILED' });
    expect(await log.failed).toMatchObject({ code: 'LOG_FAILED', message: expect.stringContaining('segment') });
    await log[Symbol.asyncDispose]();
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
  });
});

/** The number of frames that SQLite would take from a WAL: the last commit of its present round. */
function lastFrameOf(wal: Buffer): number {
  let last = 0;
  for (let frame = 0; 32 + (frame + 1) * 4120 <= wal.length; frame += 1) {
    const at = 32 + frame * 4120;
    if (wal.compare(wal, 16, 24, at + 8, at + 16) !== 0) {
      break;
    }
    last = wal.readUInt32BE(at + 4) === 0 ? last : frame + 1;
  }
  return last;
}

describe('a foreign or newer file', () => {
  async function other(sql: string): Promise<string> {
    scratches += 1;
    const path = join(root, `other-${scratches}.db`);
    const db = new Database(path);
    db.exec(sql);
    db.close();
    return path;
  }

  test.each([
    ['no bytes at all', Buffer.alloc(0), /the file is empty/],
    ['one byte', Buffer.from('x'), /no SQLite database/],
    ['random bytes', randomBytes(50_000), /no SQLite database/],
    ['text', Buffer.from('not a log, but long enough to be mistaken for one\n'.repeat(50)), /no SQLite database/],
  ])('is refused and left as it is: %s (faults B75)', async (_, bytes, message) => {
    const directory = join(root, `foreign-${bytes.length}`);
    await mkdir(directory);
    await writeFile(join(directory, 'log.db'), bytes);
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_FOREIGN',
      message: expect.stringMatching(message),
    });
    expect(await readFile(join(directory, 'log.db'))).toEqual(bytes);
  });

  test('that is another SQLite database is refused by what it says it is (faults B75)', async () => {
    const directory = join(root, 'another-database');
    await mkdir(directory);
    await copyFile(await other('PRAGMA application_id = 7; CREATE TABLE t (a)'), join(directory, 'log.db'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_FOREIGN',
      message: expect.stringContaining('another SQLite database (application id 7)'),
    });
  });

  test('that is the log of another identity than its mark is refused', async () => {
    const directory = join(root, 'another-log');
    await (await openLog(directory))[Symbol.asyncDispose]();
    await copyFile(join(closed, 'high-water'), join(directory, 'high-water'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_FOREIGN',
      message: expect.stringContaining('belongs to'),
    });
  });

  test('that is the WAL of another database is refused, and the log is whole again when it is taken away (faults B78)', async () => {
    const strange = join(root, 'strange.db');
    const db = new Database(strange);
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)');
    const directory = await copyOf(closed);
    await copyFile(`${strange}-wal`, join(directory, 'log.db-wal'));
    db.close();
    await expect(openLog(directory)).rejects.toMatchObject({ code: expect.stringMatching(/LOG_(DAMAGED|FOREIGN)/) });
    await rm(join(directory, 'log.db-wal'));
    await rm(join(directory, 'log.db-shm'), { force: true });
    await using log = await openLog(directory);
    expect(log.recovered.unfinished).toEqual(unfinished);
  });

  test('that is the WAL of another log is refused (faults B78)', async () => {
    const directory = join(root, 'log-with-strange-wal');
    const log = await openLog(directory);
    await complete(log, 1, 20);
    await log[Symbol.asyncDispose]();
    await copyFile(join(killed, 'log.db-wal'), join(directory, 'log.db-wal'));
    await expect(openLog(directory)).rejects.toMatchObject({ code: expect.stringMatching(/LOG_(DAMAGED|FOREIGN)/) });
  });

  test('of a newer format is refused (faults F24)', async () => {
    const directory = await copyOf(closed);
    const db = new Database(join(directory, 'log.db'));
    db.pragma(`user_version = ${FORMAT_VERSION + 1}`);
    db.close();
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_NEWER',
      message: expect.stringContaining(`format ${FORMAT_VERSION + 1}`),
    });
  });

  test('with a record of a newer kind is refused, and its epoch is not touched (faults F24)', async () => {
    const directory = await copyOf(closed);
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

describe('a lock', () => {
  test('is kept although the holder reads its own log file (faults F22, conformance C17)', async () => {
    const directory = await copyOf(closed);
    await using log = await openLog(directory);
    readFileSync(join(directory, 'log.db'));
    const { startWriter } = await import('./children/run.ts');
    await using second = startWriter('failing', directory, { count: 1 });
    await second.ended;
    expect(second.told).toEqual([{ refused: 'LOG_LOCKED' }]);
    await log.append([decided(gtridOf(log, 1))], 'forced');
  });

  test('stops the verification of a log that runs', async () => {
    const directory = await copyOf(closed);
    const log = await openLog(directory);
    await expect(verifySqliteLog(directory)).rejects.toMatchObject({ code: 'LOG_LOCKED' });
    await log[Symbol.asyncDispose]();
    expect(await verifySqliteLog(directory)).toMatchObject({
      problems: [],
      unfinished: 41,
      identity: log.recovered.identity,
    });
  });

  test('an append of a life that is over is refused, whoever holds the lock (faults F22)', async () => {
    const directory = await copyOf(closed);
    await using log = await openLog(directory);
    const intruder = new Database(join(directory, 'log.db'));
    intruder.exec('UPDATE life SET epoch = epoch + 1');
    intruder.close();
    await expect(log.append([decided(gtridOf(log, 1))], 'forced')).rejects.toMatchObject({
      code: 'LOG_FAILED',
      message: expect.stringContaining('another coordinator has opened it'),
    });
  });
});

test('the high-water file reads back as it was written', () => {
  const mark = decodeHighWater(earlyMark);
  expect(mark !== undefined && encodeHighWater(mark)).toBe(earlyMark);
  expect(mark !== undefined && sameHash(mark.hash, new Uint8Array(32))).toBe(mark?.frame === 0);
});
