// What a log does with damaged bits: it refuses them with a reason, or they change nothing that it says.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sameHash } from '../../src/log/chain.ts';
import { decodeHighWater, encodeHighWater } from '../../src/log/sqlite/file/high-water.ts';
import { scanWal } from '../../src/log/sqlite/file/wal-scan.ts';
import { openLog } from './sqlite-bench.ts';
import { contentsOf, copyOf, makeSampleLogs, type SampleLogs } from './sqlite-samples.ts';

let logs: SampleLogs;

beforeAll(async () => {
  logs = await makeSampleLogs();
});

afterAll(async () => {
  await rm(logs.root, { recursive: true, force: true });
});

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
    const { refused, silent } = await flipBits(logs.closed, 'log.db', 250, 1);
    expect(silent).toEqual([]);
    expect(refused).toBeGreaterThan(50);
  });

  test('of one bit in the WAL is refused, or changes nothing that the log says (faults F37, conformance C9)', async () => {
    const { refused, silent } = await flipBits(logs.killed, 'log.db-wal', 250, 2);
    expect(silent).toEqual([]);
    expect(refused).toBeGreaterThan(50);
  });

  test('of one bit in the early part of the WAL is found without the high-water mark (faults F37)', async () => {
    const directory = await copyOf(logs.killed);
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
    const directory = await copyOf(logs.closed);
    const path = join(directory, 'log.db');
    const bytes = await readFile(path);
    // https://sqlite.org/fileformat2.html#the_freelist: the first trunk page, its count of leaves, and the leaves.
    const trunk = (bytes.readUInt32BE(32) - 1) * 4096;
    expect(bytes.readUInt32BE(trunk + 4)).toBeGreaterThan(0);
    const truth = await contentsOf(await copyOf(logs.closed));
    bytes.writeUInt32BE(2, trunk + 8);
    await writeFile(path, bytes);
    expect(await contentsOf(directory)).not.toBe(truth);
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
  });

  test('of one bit anywhere in the high-water file is noticed', async () => {
    const original = await readFile(join(logs.killed, 'high-water'));
    expect(decodeHighWater(original.toString('utf8'))).toBeDefined();
    for (let bit = 0; bit < original.length * 8; bit += 1) {
      const flipped = Buffer.from(original);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeHighWater(flipped.toString('utf8')), `bit ${bit}`).toBeUndefined();
    }
  });
});

test('the high-water file reads back as it was written', () => {
  const mark = decodeHighWater(logs.earlyMark);
  expect(mark !== undefined && encodeHighWater(mark)).toBe(logs.earlyMark);
  expect(mark !== undefined && sameHash(mark.hash, new Uint8Array(32))).toBe(mark?.frame === 0);
});
