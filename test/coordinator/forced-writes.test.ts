// What a transaction costs the disk: one forced write for a commit of two branches that wrote, none for anything else.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log } from '../../src/log/log.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { openSystem, type System } from './fixture.ts';
import type { Script } from './scripted-participant.ts';
import { refusal } from './unary.ts';

const readOnly: Partial<Script> = { prepare: () => ({ vote: 'VOTE_READ_ONLY' }) };
const no: Partial<Script> = { prepare: () => ({ vote: 'VOTE_ROLLBACK' }) };

interface Case {
  readonly name: string;
  readonly forced: number;
  readonly scripts: readonly Partial<Script>[];
  readonly end?: 'rollback' | 'refused';
}

const CASES: readonly Case[] = [
  { name: 'a commit of two branches that wrote: one', forced: 1, scripts: [{}, {}] },
  { name: 'a commit of sixteen branches that wrote: one', forced: 1, scripts: Array.from({ length: 16 }, () => ({})) },
  { name: 'a commit of which one branch wrote: one', forced: 1, scripts: [{}, readOnly] },
  { name: 'a commit of branches that only read: none', forced: 0, scripts: [readOnly, readOnly] },
  { name: 'a commit of a single branch: none', forced: 0, scripts: [{}] },
  { name: 'a commit without branches: none', forced: 0, scripts: [] },
  { name: 'a rollback: none', forced: 0, scripts: [{}, {}], end: 'rollback' },
  { name: 'a commit that a branch refuses: none', forced: 0, scripts: [{}, no], end: 'refused' },
];

async function count(system: System, { forced, scripts, end }: Case): Promise<void> {
  const participants = await Promise.all(scripts.map((script, n) => system.participant(`r${n}`, script)));
  for (let round = 0; round < 3; round += 1) {
    const { gtrid } = await system.transaction(...participants);
    const before = system.log.status().forcedWrites;
    if (end === 'rollback') {
      await system.api.rollback({ gtrid });
    } else if (end === 'refused') {
      expect((await refusal(system.api.commit({ gtrid }))).code).toBe('BRANCH_VOTED_NO');
    } else {
      expect((await system.api.commit({ gtrid })).state).toBe('TRANSACTION_STATE_COMPLETED');
    }
    expect(system.log.status().forcedWrites - before).toBe(forced);
  }
}

describe('forced writes, in memory', () => {
  for (const one of CASES) {
    it(one.name, async () => {
      await using system = await openSystem();
      await count(system, one);
    });
  }

  it('commits at the same time share one', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const all = await Promise.all(Array.from({ length: 20 }, () => system.transaction(accounts, orders)));
    system.disk.flushMs = 100;
    const before = system.log.status().forcedWrites;
    await Promise.all(all.map(({ gtrid }) => system.api.commit({ gtrid })));
    expect(system.log.status().forcedWrites - before).toBeLessThanOrEqual(3);
    expect(system.records('decided')).toHaveLength(20);
  });
});

describe('forced writes, on SQLite', () => {
  for (const one of CASES.slice(0, 6)) {
    it(one.name, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'concordat-tests-coordinator-'));
      const openLog = (): Promise<Log> =>
        openSqliteLog({
          directory,
          clock: systemClock,
          random: systemRandom,
          version: 'test',
          options: { ballastBytes: 0 },
        });
      try {
        await using system = await openSystem({ openLog });
        await count(system, one);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    });
  }
});
