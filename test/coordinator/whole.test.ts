// The coordinator with real participants over memory engines, while calls are lost and the coordinator dies: all or nothing, and no lies.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { dialGrpc } from '../../src/participants/attach/grpc-dial.ts';
import { openParticipantRuntime, type ParticipantRuntime } from '../../src/participants/runtime/runtime.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import type { MemoryFault } from '../../src/testing/engine/faults.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import type { Bqual, Gtrid, ResourceName, Xid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { later } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

/** Mulberry32: small, and good enough for dice. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Site implements AsyncDisposable {
  readonly engine = new MemoryEngine(systemRandom.base32(10));
  readonly name: ResourceName;
  faulty = false;
  #runtime: ParticipantRuntime | undefined;
  readonly #system: System;
  readonly #address: string;
  readonly #clock: TestClock;
  readonly #random: () => number;

  constructor(name: string, system: System, clock: TestClock, random: () => number) {
    this.name = name as ResourceName;
    this.#system = system;
    this.#address = system.address;
    this.#clock = clock;
    this.#random = random;
  }

  get runtime(): ParticipantRuntime {
    if (this.#runtime === undefined) {
      throw new Error('the site is not started');
    }
    return this.#runtime;
  }

  async start(): Promise<void> {
    const rm = openMemoryResourceManager({ engine: this.engine, clock: this.#clock, faults: () => this.#fault() });
    this.#runtime = openParticipantRuntime({
      ...{ resource: this.name, kind: 'sidecar', address: '127.0.0.1:1', rm, maxBranches: 64 },
      dial: dialGrpc(this.#address),
      ...{ clock: this.#clock, random: systemRandom, logger: this.#system.events },
    });
    await this.#runtime.firstReady;
  }

  /** One statement, by which the branch is opened and, if it is the last, prepared. */
  async set(gtrid: string, key: string, last: boolean): Promise<Xid> {
    const xid: Xid = { gtrid: gtrid as Gtrid, bqual: this.name as string as Bqual };
    const statement = { sql: `set ${key} 1`, parameters: [] };
    const options = { isolation: 'default', readOnly: false, timeoutMs: 60_000, named: false, oneShot: false } as const;
    await this.runtime.execute({ xid, number: 1, statement, last, ...options });
    return xid;
  }

  has(key: string): boolean {
    return this.engine.read(undefined, key) !== undefined;
  }

  /** Its sessions are gone with it; what is prepared stays with the engine. */
  async restart(): Promise<void> {
    this.engine.endSessions('the participant was killed');
    await this.runtime[Symbol.asyncDispose]();
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runtime?.[Symbol.asyncDispose]();
  }

  #fault(): MemoryFault {
    const drawn = this.faulty ? this.#random() : 1;
    if (drawn < 0.05) {
      return { kind: drawn < 0.025 ? 'lost-request' : 'lost-answer' };
    }
    return drawn < 0.15 ? { kind: 'delayed', beforeMs: drawn * 500, afterMs: drawn * 300 } : { kind: 'none' };
  }
}

type Told = 'committed' | 'rolled-back' | 'unknown';

interface Done {
  readonly gtrid: string;
  readonly key: string;
  readonly sites: readonly Site[];
  told: Told;
}

/** One transaction of a client that does not give up before it was told something. */
async function transfer(system: System, sites: readonly Site[], key: string, last: boolean): Promise<Done | undefined> {
  const gtrid = await system.api.begin({ timeoutMs: 20_000 }).then(
    (begun) => begun.gtrid,
    () => undefined,
  );
  if (gtrid === undefined) {
    return undefined;
  }
  const done: Done = { gtrid, key, sites, told: 'unknown' };
  const branches = sites.map(({ name, runtime }) => ({ bqual: name as string, instance: runtime.instance }));
  try {
    await Promise.all(sites.map((site) => site.set(gtrid, key, last)));
  } catch {
    await system.api.rollback({ gtrid, branches }).catch(() => undefined);
    return done; // It may have been prepared by its last statement; it was never asked to commit.
  }
  try {
    // A hazard: the single branch's engine cannot tell, and neither end was claimed.
    const { outcome } = await system.api.commit({ gtrid, branches });
    done.told = outcome === 'OUTCOME_COMMITTED' ? 'committed' : 'unknown';
  } catch (error) {
    const { metadata } = await refusal(Promise.reject(error));
    done.told = metadata['outcome'] === 'rolled-back' ? 'rolled-back' : 'unknown';
  }
  return done;
}

async function settled(system: System, sites: readonly Site[]): Promise<void> {
  await eventually(
    'nothing is open any more',
    async () => {
      const { transactions } = await system.api.list({});
      const open = transactions.filter(({ outcome }) => outcome !== 'OUTCOME_HAZARD');
      return open.length === 0 && sites.every(({ engine }) => engine.prepared().length === 0);
    },
    25_000,
  );
}

function judge({ gtrid, key, sites, told }: Done): void {
  const ends = sites.map((site) => site.has(key));
  expect(new Set(ends).size, `${gtrid} ends alike everywhere: ${ends}`).toBe(1);
  if (told !== 'unknown') {
    expect(ends[0], `${gtrid} was told as ${told}`).toBe(told === 'committed');
  }
}

describe('real participants', () => {
  it('commit a transaction of two engines, and the next read sees it', async () => {
    const clock = new TestClock();
    await using system = await openSystem({ clock });
    await using accounts = new Site('accounts', system, clock, Math.random);
    await using orders = new Site('orders', system, clock, Math.random);
    await Promise.all([accounts.start(), orders.start()]);
    for (const last of [false, true]) {
      const key = `k-${last}`;
      const done = await transfer(system, [accounts, orders], key, last);
      expect(done?.told).toBe('committed');
      expect([accounts.has(key), orders.has(key)]).toEqual([true, true]);
    }
    expect((await transfer(system, [accounts], 'alone', false))?.told).toBe('committed');
    await settled(system, [accounts, orders]);
  });

  for (const seed of [1, 2, 3]) {
    it(`end every transaction alike while calls are lost and every process dies again and again (seed ${seed})`, async () => {
      const clock = new TestClock(5);
      const random = dice(seed);
      await using system = await openSystem({ clock });
      const sites = ['accounts', 'orders', 'stock'].map((name) => new Site(name, system, clock, random));
      await using stack = new AsyncDisposableStack();
      for (const site of sites) {
        await stack.use(site).start();
        site.faulty = true;
      }
      const all: Done[] = [];
      let running = true;
      const mortal = async (): Promise<void> => {
        while (running) {
          await later(300 + random() * 500, undefined);
          await sites[Math.floor(random() * sites.length)]?.restart();
        }
      };
      const client = async (number: number): Promise<void> => {
        for (let n = 0; running; n += 1) {
          const some = sites.filter(() => random() < 0.7);
          const done = await transfer(system, some, `c${number}-${n}`, random() < 0.5).catch(() => undefined);
          if (done !== undefined && some.length > 0) {
            all.push(done);
          }
          await later(5, undefined);
        }
      };
      const clients = Array.from({ length: 6 }, (_, number) => client(number));
      const dying = mortal();
      for (let crash = 0; crash < 3; crash += 1) {
        system.disk.flushMs = random() < 0.5 ? 20 : 0;
        await later(900 + random() * 400, undefined);
        await system.restart(random() < 0.5 ? 'lost' : 'kept');
      }
      await later(500, undefined);
      running = false;
      await Promise.all([...clients, dying]);
      for (const site of sites) {
        site.faulty = false;
      }
      await settled(system, sites);
      expect(all.length).toBeGreaterThan(30);
      expect(all.filter(({ told }) => told === 'committed').length).toBeGreaterThan(10);
      for (const done of all) {
        judge(done);
      }
      const damage = system.events.named('heuristic-outcome').filter(({ outcome }) => outcome !== 'hazard');
      expect(damage).toEqual([]);
      expect(system.records('heuristic')).toEqual([]);
    });
  }
});
