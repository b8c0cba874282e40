// The pool of things that are used by one taker at a time: its bounds, and what becomes of a thing that is in doubt.
import { expect, test } from 'vitest';
import { Pool, type PoolOptions } from '../../src/lib/pool.ts';
import { ManualClock } from '../participants/manual-clock.ts';

const WAIT_MS = 1_000;

interface Thing {
  readonly n: number;
  isDestroyed: boolean;
}

class Refused extends Error {}

function given(options: Partial<PoolOptions<Thing>> = {}) {
  const clock = new ManualClock();
  const made: Thing[] = [];
  const pool = new Pool<Thing>({
    ...{ max: 2, waitersMax: 2, waitMs: WAIT_MS, clock },
    make: async () => {
      const thing = { n: made.length, isDestroyed: false };
      made.push(thing);
      return thing;
    },
    destroy: (thing) => {
      thing.isDestroyed = true;
    },
    refusal: (why) => new Refused(why),
    ...options,
  });
  return { pool, clock, made };
}

/** What a taker has come to by now. */
async function stateOf(taking: Promise<Thing>): Promise<Thing | string> {
  let state: Thing | string = 'waits';
  void taking.then(
    (thing) => {
      state = thing;
    },
    (error: unknown) => {
      state = String((error as Error).message);
    },
  );
  await settle();
  return state;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await Promise.resolve();
  }
}

test('makes a thing only when none is free, and hands the newest one out again', async () => {
  const { pool, made } = given();
  const first = await pool.take();
  const second = await pool.take();
  pool.give(second);
  pool.give(first);
  expect(await pool.take()).toBe(first);
  expect(made).toHaveLength(2);
});

test('the longest waiter gets what is given back, and one that waited in vain is refused in time', async () => {
  const { pool, clock, made } = given({ max: 1 });
  const thing = await pool.take();
  const [early, late] = [pool.take(), pool.take()];
  pool.give(thing);
  expect(await stateOf(early)).toBe(thing);
  clock.advance(WAIT_MS - 1);
  expect(await stateOf(late)).toBe('waits');
  clock.advance(1);
  expect(await stateOf(late)).toBe('busy');
  expect(clock.delays()).toEqual([]);
  // Who was refused is not given anything any more.
  pool.give(thing);
  expect(await pool.take()).toBe(thing);
  expect(made).toHaveLength(1);
});

test('refuses at once when as many wait as may', async () => {
  const { pool } = given({ max: 1, waitersMax: 2 });
  await pool.take();
  const waiting = [pool.take(), pool.take()];
  expect(await stateOf(pool.take())).toBe('crowded');
  expect(await Promise.all(waiting.map(stateOf))).toEqual(['waits', 'waits']);
});

test('never has more than the most that it may, whatever is taken, dropped and refused to be made', async () => {
  let mayMake = true;
  let alive = 0;
  const { pool, clock } = given({
    max: 3,
    waitersMax: 100,
    make: async () => {
      if (!mayMake) {
        throw new Error('cannot be made');
      }
      alive += 1;
      await Promise.resolve();
      return { n: alive, isDestroyed: false };
    },
    destroy: (thing) => {
      alive -= thing.isDestroyed ? 0 : 1;
      thing.isDestroyed = true;
    },
  });
  for (let round = 0; round < 50; round += 1) {
    mayMake = round % 3 !== 0;
    const taking = Array.from({ length: 7 }, () => pool.take());
    const taken: Thing[] = [];
    for (const each of taking) {
      void each.then(
        (thing) => taken.push(thing),
        () => undefined,
      );
    }
    await settle();
    expect(alive).toBeLessThanOrEqual(3);
    while (taken.length > 0) {
      const thing = taken.shift();
      if (thing !== undefined) {
        (round % 2 === 0 ? pool.drop : pool.give).call(pool, thing);
      }
      await settle();
      expect(alive).toBeLessThanOrEqual(3);
    }
    expect(clock.delays()).toEqual([]);
  }
  mayMake = true;
  expect(await Promise.all([pool.take(), pool.take(), pool.take()])).toHaveLength(3);
});

test('whoever waits makes one itself when the place of another is free, and hears why that failed', async () => {
  const problems = ['', 'no route'];
  const { pool } = given({
    max: 1,
    make: async () => {
      const problem = problems.shift();
      if (problem) {
        throw new Error(problem);
      }
      return { n: 0, isDestroyed: false };
    },
  });
  const thing = await pool.take();
  const [unlucky, lucky] = [pool.take(), pool.take()];
  pool.drop(thing);
  expect(await stateOf(unlucky)).toBe('no route');
  expect(await stateOf(lucky)).toMatchObject({ isDestroyed: false });
});

test('a thing is destroyed once, and is not handed out again whoever still gives it back', async () => {
  const destroyed: Thing[] = [];
  const { pool } = given({ destroy: (thing) => destroyed.push(thing) });
  const [used, idle] = [await pool.take(), await pool.take()];
  pool.give(idle);
  pool.give(idle);
  expect(pool.free).toEqual([idle]);
  pool.drop(idle);
  pool.drop(used);
  pool.drop(used);
  pool.give(used);
  expect(destroyed).toEqual([idle, used]);
  expect(pool.all).toEqual([]);
});

test('what does not answer for itself is destroyed, and another is taken in its place', async () => {
  const bad = new Set<Thing>();
  const { pool } = given({ isGood: async (thing) => !bad.has(thing) });
  const [one, other] = [await pool.take(), await pool.take()];
  pool.give(one);
  pool.give(other);
  bad.add(other);
  expect(await pool.take()).toBe(one);
  expect(other.isDestroyed).toBe(true);
  pool.give(one);
  bad.add(one);
  expect(await pool.take()).toMatchObject({ n: 2 });
});

test('a thing that is dropped while it is asked is not handed out', async () => {
  let answer: (isGood: boolean) => void = () => undefined;
  const { pool } = given({
    isGood: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  });
  const thing = await pool.take();
  pool.give(thing);
  const taking = pool.take();
  pool.drop(thing);
  answer(true);
  expect(await taking).toMatchObject({ n: 1 });
});

test('a thing is free while it is renewed, but nobody has it before it is new', async () => {
  const answers: ((isNew: boolean) => void)[] = [];
  const { pool } = given({ max: 1, renew: () => new Promise((resolve) => answers.push(resolve)) });
  const thing = await pool.take();
  pool.give(thing);
  pool.give(thing);
  expect(pool.free).toEqual([thing]);
  const taking = pool.take();
  expect(await stateOf(taking)).toBe('waits');
  answers.shift()?.(true);
  expect(await taking).toBe(thing);
  pool.give(thing);
  const next = pool.take();
  answers.shift()?.(false);
  expect(await next).toMatchObject({ n: 1 });
  expect(thing.isDestroyed).toBe(true);
  expect(answers).toEqual([]);
});

test('a thing that is dropped while it is renewed is not handed out', async () => {
  let answer: (isNew: boolean) => void = () => undefined;
  const { pool } = given({
    renew: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  });
  const thing = await pool.take();
  pool.give(thing);
  pool.drop(thing);
  answer(true);
  expect(await pool.take()).toMatchObject({ n: 1 });
});

test('closed, it refuses whoever waits or comes, and destroys what is made or given back', async () => {
  let finish: () => void = () => undefined;
  const { pool, clock, made } = given({ max: 2 });
  const thing = await pool.take();
  const slow = given({
    make: () =>
      new Promise((resolve) => {
        finish = () => resolve(thing);
      }),
  });
  const making = slow.pool.take();
  slow.pool.close();
  finish();
  expect(await stateOf(making)).toBe('closed');
  expect(thing.isDestroyed).toBe(true);

  const other = await pool.take();
  const waiting = pool.take();
  pool.close();
  expect(await stateOf(waiting)).toBe('closed');
  expect(await stateOf(pool.take())).toBe('closed');
  expect(clock.delays()).toEqual([]);
  pool.give(other);
  expect(other.isDestroyed).toBe(true);
  expect(pool.all).toEqual([thing]);
  expect(made).toHaveLength(2);
});
