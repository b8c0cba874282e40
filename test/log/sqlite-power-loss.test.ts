// The power fails at any moment of a run with compactions and checkpoints: no acknowledged decision is lost, and the log starts.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openReader } from '../../src/log/sqlite/connection.ts';
import { decodeHighWater } from '../../src/log/sqlite/high-water.ts';
import { inspectLog } from '../../src/log/sqlite/inspect.ts';
import { replay } from '../../src/log/sqlite/replay.ts';
import { readSegment } from '../../src/log/sqlite/segments.ts';
import { parseGtrid } from '../../src/xa/xid.ts';
import { skipWithoutStrace, startWriter } from './children/run.ts';
import { afterPowerLoss, readTrace, recording } from './power-loss.ts';
import { openLog, scratchDirectory } from './sqlite-bench.ts';

/** Moments, spread over the run, and outcomes of the dice at each. */
const MOMENTS = 150;
const THROWS = 3;

function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

describe.skipIf(skipWithoutStrace)('a power loss', () => {
  let root: string;
  let initial: ReadonlyMap<string, Buffer>;
  let events: Awaited<ReturnType<typeof readTrace>>;

  beforeAll(async () => {
    root = await scratchDirectory();
    const directory = join(root, 'data');
    await (await openLog(directory))[Symbol.asyncDispose]();
    const names = (await readdir(directory)).filter((name) => name === 'log.db' || name === 'high-water');
    const files = names.map(async (name) => [join(directory, name), await readFile(join(directory, name))] as const);
    initial = new Map(await Promise.all(files));
    const prefix = join(root, 'trace');
    await using writer = startWriter('mixed', directory, { count: 90, strace: recording(prefix) });
    await writer.ended;
    expect(writer.errors()).toBe('');
    events = await readTrace(prefix, directory);
    const syncs = events.flatMap((event) => (event.kind === 'sync' ? [basename(event.file)] : []));
    expect(syncs.filter((name) => name === 'log.db-wal').length).toBeGreaterThan(30);
    expect(syncs.filter((name) => name === 'log.db').length).toBeGreaterThan(1);
  });

  afterAll(async () => {
    await rm(root, { recursive: true, force: true });
  });

  /** Transactions that were acknowledged before the cut and are not in what is left; or why what is left is refused. */
  async function lostAt(cut: number, seed: number, trustSyncs: boolean): Promise<readonly string[]> {
    const left = afterPowerLoss(initial, events, { cut, roll: dice(seed), trustSyncs });
    const scratch = join(root, 'scratch');
    await rm(scratch, { recursive: true, force: true });
    await mkdir(scratch);
    await Promise.all([...left].map(([name, bytes]) => writeFile(join(scratch, basename(name)), bytes)));
    const path = join(scratch, 'log.db');
    const highWater = decodeHighWater(await readFile(join(scratch, 'high-water'), 'utf8'));
    const inspection = inspectLog(path, { highWater, historyBytesMax: Number.POSITIVE_INFINITY });
    if (highWater === undefined || inspection.kind === 'refused') {
      return [inspection.kind === 'refused' ? inspection.problem.message : 'no high-water mark'];
    }
    const { image } = inspection;
    const replayed = await replay(image);
    if (replayed.kind === 'refused') {
      return [replayed.problem.message];
    }
    const db = openReader(path);
    const retained = new Set(image.segments.flatMap((segment) => [...readSegment(db, segment).keys()]));
    db.close();
    return acknowledgedBefore(cut).filter((text) => {
      const gtrid = parseGtrid(text);
      return gtrid === undefined || (!retained.has(gtrid) && replayed.ledger.transaction(gtrid)?.decided === undefined);
    });
  }

  function acknowledgedBefore(cut: number): readonly string[] {
    return events.slice(0, cut).flatMap((event) => {
      const match = event.kind === 'told' ? /"acknowledged":"([^"]+)"/.exec(event.text) : null;
      return match?.[1] === undefined ? [] : [match[1]];
    });
  }

  test(`at ${MOMENTS} moments, ${THROWS} throws of the dice each, loses nothing that was acknowledged`, {
    timeout: 90_000,
  }, async () => {
    expect(acknowledgedBefore(events.length).length).toBeGreaterThan(80);
    for (let moment = 0; moment <= MOMENTS; moment += 1) {
      const cut = Math.round((events.length * moment) / MOMENTS);
      for (let seed = 1; seed <= THROWS; seed += 1) {
        expect(await lostAt(cut, seed, true), `cut at ${cut} of ${events.length}, seed ${seed}`).toEqual([]);
      }
    }
  });

  test('on a disk whose syncs are lies would be noticed by the same check', async () => {
    let noticed = 0;
    for (let moment = 1; moment <= 20; moment += 1) {
      const lost = await lostAt(Math.round((events.length * moment) / 20), moment, false);
      noticed += lost.length > 0 ? 1 : 0;
    }
    expect(noticed).toBeGreaterThan(10);
  });
});
