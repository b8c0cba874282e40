// The judge of `npm run chaos` is only worth something if it finds what is planted; and so is its look into the engines.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { contradiction } from '../../proof/chaos/afterwards.ts';
import { type Books, type Entry, judge } from '../../proof/chaos/judge.ts';
import { drawLife, drawStrike, drawSwarm } from '../../proof/chaos/plan.ts';
import type { Told } from '../../proof/chaos/reports.ts';
import { atSide, MONEY_PER_SIDE, openBooks, preparedAt, readBooks } from '../../proof/chaos/sides.ts';
import { dice } from '../../proof/disk/dice.ts';
import { useEngine } from '../support/engines.ts';

const GROUP = 'mariadb+mysql';
const entry = (id: string, n: number, lane = 0): Entry => ({ id, gtrid: `log.1.${id}`, group: GROUP, lane, n });
const MONEY = 2_000;

interface Planting {
  readonly mariadb?: readonly Entry[];
  readonly mysql?: readonly Entry[];
  readonly counter?: number;
  readonly money?: number;
}

const SOUND = [entry('a', 1), entry('b', 2), entry('c', 1, 1)];

/** Two sides with the same three transactions, but for what is planted. */
function books({ mariadb = SOUND, mysql = SOUND, counter = 2, money = 1_000 }: Planting = {}): readonly Books[] {
  const counters = (n: number): ReadonlyMap<string, number> =>
    new Map([
      [`${GROUP}/0`, n],
      [`${GROUP}/1`, 1],
      [`${GROUP}/2`, 0],
    ]);
  return [
    { side: 'mariadb', entries: mariadb, counters: counters(2), money: 1_000 },
    { side: 'mysql', entries: mysql, counters: counters(counter), money },
  ];
}

const told = (id: string, answer: Told['answer'], more: Partial<Told> = {}): Told => ({
  id,
  gtrid: `log.1.${id}`,
  group: GROUP,
  answer,
  way: 'sidecar',
  ...more,
});

const kinds = (sides: readonly Books[], answers: readonly Told[] = []): readonly string[] => [
  ...new Set(judge(sides, answers, MONEY).map(({ kind }) => kind)),
];

describe('the judge', () => {
  test('finds nothing where everything is as it was told, and lets an unknown outcome be either', () => {
    const answers = [told('a', 'committed'), told('b', 'unknown'), told('x', 'unknown'), told('y', 'rolled-back')];
    expect(judge(books(), answers, MONEY)).toEqual([]);
  });

  test('finds an acknowledged commit that is nowhere', () => {
    expect(kinds(books(), [told('x', 'committed')])).toEqual(['lost']);
  });

  test('finds a transaction that is on one of its sides only', () => {
    const sides = books({ mysql: [entry('a', 1), entry('c', 1, 1)], counter: 1 });
    expect(kinds(sides, [told('b', 'unknown')])).toEqual(['torn']);
    expect(kinds(sides, [told('b', 'committed')])).toEqual(['torn', 'lost']);
  });

  test('finds what was told rolled back and is there', () => {
    expect(kinds(books(), [told('b', 'rolled-back')])).toEqual(['revived']);
  });

  test('finds sides that disagree about the order, and a place that is taken twice', () => {
    expect(kinds(books({ mysql: [entry('a', 2), entry('b', 1), entry('c', 1, 1)] }))).toEqual(['order']);
    const twice = [entry('a', 1), entry('b', 1), entry('c', 1, 1)];
    expect(kinds(books({ mariadb: twice, mysql: twice }))).toEqual(['order']);
  });

  test('finds a counter that is not what was written, and money that came or went', () => {
    expect(kinds(books({ counter: 3 }))).toEqual(['counter']);
    expect(kinds(books({ money: 999 }))).toEqual(['money']);
  });

  test('finds damage that nobody did, and a commit that was applied and could not be read', () => {
    expect(kinds(books(), [told('a', 'heuristic')])).toEqual(['heuristic']);
    expect(kinds(books(), [told('a', 'committed', { unseen: 'mysql' })])).toEqual(['unseen']);
  });

  test('takes the coordinator’s later word against what was told and against what is there', () => {
    const isThere = true;
    expect(contradiction({ answer: 'committed' }, 'committed', isThere)).toBeUndefined();
    expect(contradiction({ answer: 'unknown' }, 'rolled-back', !isThere)).toBeUndefined();
    expect(contradiction({ answer: 'committed' }, 'expired', isThere)).toBeUndefined();
    expect(contradiction({ answer: 'committed' }, 'rolled-back', isThere)).toContain('says rolled-back');
    expect(contradiction({ answer: 'unknown' }, 'committed', !isThere)).toContain('not there');
    expect(contradiction({ answer: 'rolled-back' }, 'active', !isThere)).toContain('says active');
  });
});

describe('the plan', () => {
  const parts = [
    { kind: 'coordinator', name: 'coordinator' },
    { kind: 'sidecar', name: 's' },
    { kind: 'application', name: 'a' },
    { kind: 'database', name: 'd' },
  ] as const;
  const strikes = (seed: number): readonly unknown[] => {
    const roll = dice(seed);
    const swarm = drawSwarm(roll);
    return [
      swarm,
      ...Array.from({ length: 50 }, () => drawStrike(roll, swarm, parts, 12)),
      drawLife(roll, swarm, 'sidecar'),
    ];
  };

  test('is the same for the same seed, and another for another', () => {
    expect(strikes(7)).toEqual(strikes(7));
    expect(strikes(7)).not.toEqual(strikes(8));
  });
});

describe('the command', () => {
  const MAIN = join(import.meta.dirname, '..', '..', 'proof', 'chaos', 'main.ts');
  const run = promisify(execFile);

  test('says what it does, and refuses what it does not know', async () => {
    expect((await run(process.execPath, [MAIN, '--help'])).stdout).toContain('--kills N');
    await expect(run(process.execPath, [MAIN, '--engines', 'mysql,oracle'])).rejects.toMatchObject({ code: 2 });
    await expect(run(process.execPath, [MAIN, '--kills', 'many'])).rejects.toMatchObject({ code: 2 });
  });
});

describe('the look into the engines', () => {
  const engines = [useEngine('postgresql-18'), useEngine('mariadb')];
  const group = 'postgresql+mariadb';

  test('finds an entry at one side only and prepared branches of ours, and leaves those of others', async () => {
    const [postgres, mariadb] = engines.map(({ server }) => server);
    if (postgres === undefined || mariadb === undefined) {
      throw new Error('both engines run');
    }
    await Promise.all([openBooks(postgres, [group]), openBooks(mariadb, [group])]);
    const read = (): Promise<readonly Books[]> => Promise.all([postgres, mariadb].map(readBooks));
    expect(judge(await read(), [], 2 * MONEY_PER_SIDE)).toEqual([]);
    await atSide(postgres, async (query) => {
      await query(`insert into chaos_entry values ('one', 'log.1.1', '${group}', 3, 1)`);
      await query(`begin; prepare transaction 'concordat:log.1.1:postgresql'`);
      await query(`begin; prepare transaction 'somebody else'`);
    });
    const found = judge(await read(), [], 2 * MONEY_PER_SIDE);
    expect(found.map(({ kind }) => kind)).toEqual(['torn', 'counter']);
    expect(await preparedAt(postgres)).toEqual(['concordat:log.1.1:postgresql']);
    expect(await preparedAt(mariadb)).toEqual([]);
    await atSide(mariadb, async (query) => {
      for (const text of ['xa start', 'xa end', 'xa prepare']) {
        await query(`${text} 'log.1.1','mariadb',${0x43444154}`);
      }
      expect(await preparedAt(mariadb)).toEqual(['log.1.1mariadb']);
      await query(`xa rollback 'log.1.1','mariadb',${0x43444154}`);
    });
    await atSide(postgres, async (query) => {
      await query(`rollback prepared 'concordat:log.1.1:postgresql'`);
      await query(`rollback prepared 'somebody else'`);
    });
  });
});
