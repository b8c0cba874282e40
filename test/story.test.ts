// To be read first: one transaction over two databases, from `begin` to the last acknowledgement, with every message in its order.
//
// Coordinator, participants and their engines are the real ones; databases and log are in memory. The network is the test: a message
// lies in the post until the story carries it, so that every line below is a message that was really sent, and none is left out.
import { expect, test } from 'vitest';
import { systemRandom } from '../src/lib/random.ts';
import { systemClock } from '../src/lib/system-clock.ts';
import type { Log } from '../src/log/log.ts';
import type { LogRecord } from '../src/log/record.ts';
import type { AttachLink, DialCoordinator } from '../src/participants/attach/attach-link.ts';
import { dialGrpc } from '../src/participants/attach/grpc-dial.ts';
import { openParticipantRuntime, type ParticipantRuntime } from '../src/participants/runtime/runtime.ts';
import { MemoryEngine } from '../src/testing/engine/engine.ts';
import { openMemoryResourceManager } from '../src/testing/engine/resource-manager.ts';
import { MemoryDisk } from '../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../src/testing/log/memory-log.ts';
import type { Bqual, Gtrid, ResourceName } from '../src/xa/xid.ts';
import { openSystem } from './coordinator/fixture.ts';
import { eventually } from './support/eventually.ts';

test('a transfer between two databases, from begin to the last acknowledgement', async () => {
  const post = new Post();
  const disk = new MemoryDisk();
  await using system = await openSystem({ openLog: () => openWatchedLog(disk, post) });
  await using accounts = await startDatabase('accounts', system.address, post);
  await using orders = await startDatabase('orders', system.address, post);
  // Both have said hello and were admitted. From here on nothing moves by itself.
  post.hold();
  const application = system.api;

  // The application begins. The coordinator numbers the transaction and holds it in memory. Nobody else hears of it, and nothing is
  // written: if the coordinator died now, there would be nothing to undo.
  const { gtrid } = await application.begin({});
  expect(post.waiting).toEqual([]);

  // It works at both databases, through their participants. The first statement opens a branch: an ordinary transaction of that database,
  // with its locks. Each participant tells the coordinator what it has opened. Nobody outside sees the changes.
  await accounts.execute(gtrid, 'set deposit 900');
  await orders.execute(gtrid, 'set order-1 100');
  await post.carry('accounts → coordinator: opened');
  await post.carry('orders → coordinator: opened');
  expect([accounts.read('deposit'), orders.read('order-1')]).toEqual([undefined, undefined]);

  // It asks for the commit, and names the branches that it means. The call is not answered before the last step of this story.
  const branches = [accounts.branch, orders.branch];
  const committed = application.commit({ gtrid, branches });

  // PHASE ONE: can you promise? Both are asked at once. Each database prepares its branch: it will be able to commit, whatever happens to
  // it, and it will not commit or roll back by itself any more. With the vote comes the evidence by which the end can be proven later.
  await post.carry('coordinator → accounts: prepare');
  await post.carry('coordinator → orders: prepare');
  await post.carry('accounts → coordinator: vote prepared');
  expect([accounts.prepared, orders.prepared]).toEqual([1, 1]);
  // One vote is missing: nothing is decided, nothing is in the log. A crash now, a no or the deadline would roll everything back.
  expect(post.waiting).toEqual(['orders → coordinator: vote prepared']);
  await post.carry('orders → coordinator: vote prepared');

  // THE DECISION: one record, forced to disk. It names both branches with their evidence. Until it is durable no participant may be told
  // (D1): if the coordinator died now, the transaction would be rolled back if the record was lost, and committed if it was kept.
  expect(await post.next()).toBe('coordinator → log: decided, forced');
  expect(decisions(disk)).toEqual([]);
  expect(post.waiting).toEqual(['coordinator → log: decided, forced']);
  await post.carry('coordinator → log: decided, forced');

  // PHASE TWO: it is so. Each participant is told, again and again if need be, and each commits what its database has prepared. Nothing
  // can turn this any more (D2).
  await post.carry('coordinator → accounts: finish commit');
  expect(decisions(disk)).toMatchObject([{ gtrid, branches: [{ bqual: 'accounts' }, { bqual: 'orders' }] }]);
  await post.carry('accounts → coordinator: result done');
  // For a moment one database shows the transfer and the other does not. The order is still prepared, so it cannot be lost.
  expect([accounts.read('deposit'), orders.read('order-1')]).toEqual([900, undefined]);
  expect([accounts.prepared, orders.prepared]).toEqual([0, 1]);
  await post.carry('coordinator → orders: finish commit');
  await post.carry('orders → coordinator: result done');
  expect([accounts.read('deposit'), orders.read('order-1')]).toEqual([900, 100]);

  // Every branch is proven finished. That is worth a record, so that a restart does not ask again; it need not be forced, since asking
  // again does no harm.
  await post.carry('coordinator → log: finished, lazy');

  // Now the application is answered: committed, and whatever it reads next shows it.
  expect(await committed).toMatchObject({ outcome: 'OUTCOME_COMMITTED' });
  expect(post.waiting).toEqual([]);
});

/** Where messages lie until the story carries them. */
class Post {
  readonly #letters: { readonly line: string; readonly deliver: () => void }[] = [];
  #holds = false;

  /** From now on messages wait; before, they pass. What comes by the clock and not for a transaction passes always. */
  hold(): void {
    this.#holds = true;
  }

  /** What was sent and not carried yet, in the order in which it was sent. */
  get waiting(): readonly string[] {
    return this.#letters.map(({ line }) => line);
  }

  send(line: string, deliver: () => void): void {
    if (this.#holds && !/: (heartbeat|reconcile)$/.test(line)) {
      this.#letters.push({ line, deliver });
    } else {
      deliver();
    }
  }

  /** The oldest message, once there is one. */
  next(): Promise<string | undefined> {
    return eventually('a message', () => this.waiting[0]);
  }

  /** Delivers this message, once it was sent. */
  async carry(line: string): Promise<void> {
    const found = await eventually(line, () => this.#letters.find((letter) => letter.line === line));
    this.#letters.splice(this.#letters.indexOf(found), 1);
    found.deliver();
  }
}

/** A log in memory whose appends are letters. */
async function openWatchedLog(disk: MemoryDisk, post: Post): Promise<Log> {
  const log = await openMemoryLog({
    clock: systemClock,
    random: systemRandom,
    version: 'test',
    disk,
  });
  const append: Log['append'] = (records, durability) =>
    new Promise((resolve, reject) => {
      const kinds = records.map(({ kind }) => kind).join(' and ');
      post.send(`coordinator → log: ${kinds}, ${durability}`, () =>
        log.append(records, durability).then(resolve, reject),
      );
    });
  return new Proxy(log, {
    get: (target, key) => (key === 'append' ? append : bound(target, Reflect.get(target, key))),
  });
}

/** The durable ones. */
function decisions(disk: MemoryDisk): readonly LogRecord[] {
  return disk.records.map(({ record }) => record).filter(({ kind }) => kind === 'decided');
}

function bound(target: object, value: unknown): unknown {
  return typeof value === 'function' ? value.bind(target) : value;
}

/** A database in memory with its participant. */
class Database implements AsyncDisposable {
  readonly #name: string;
  readonly #engine: MemoryEngine;
  readonly #runtime: ParticipantRuntime;

  constructor(name: string, engine: MemoryEngine, runtime: ParticipantRuntime) {
    this.#name = name;
    this.#engine = engine;
    this.#runtime = runtime;
  }

  /** As the application names it to the coordinator. */
  get branch(): { readonly bqual: string; readonly instance: string } {
    return { bqual: this.#name, instance: this.#runtime.instance };
  }

  /** How many branches the database has promised to finish. */
  get prepared(): number {
    return this.#engine.prepared().length;
  }

  async execute(gtrid: string, sql: string): Promise<void> {
    const xid = { gtrid: gtrid as Gtrid, bqual: this.#name as Bqual };
    const options = { isolation: 'default', readOnly: false, timeoutMs: 30_000, named: false, oneShot: false } as const;
    await this.#runtime.execute({ xid, number: 1, statement: { sql, parameters: [] }, last: false, ...options });
  }

  /** What anybody reads who is not part of the transaction. */
  read(key: string): number | undefined {
    const value = this.#engine.read(undefined, key);
    return value?.kind === 'int' ? Number(value.value) : undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#runtime[Symbol.asyncDispose]();
  }
}

async function startDatabase(name: string, coordinator: string, post: Post): Promise<Database> {
  const engine = new MemoryEngine(systemRandom.base32(10));
  const silent = () => undefined;
  const runtime = openParticipantRuntime({
    ...{ resource: name as ResourceName, kind: 'sidecar', address: '127.0.0.1:1' },
    rm: openMemoryResourceManager({ engine, clock: systemClock }),
    dial: dialThrough(post, name, coordinator),
    ...{ clock: systemClock, random: systemRandom },
    logger: { debug: silent, info: silent, warn: silent, error: silent, fatal: silent },
  });
  await runtime.firstReady;
  return new Database(name, engine, runtime);
}

/** The participant's stream to the coordinator, each message of which is a letter. */
function dialThrough(post: Post, name: string, coordinator: string): DialCoordinator {
  return (events) => {
    const link: AttachLink = dialGrpc(coordinator)({
      onMessages: (messages) => {
        for (const message of messages) {
          const what = words(message.body, message.finish?.verb);
          post.send(`coordinator → ${name}: ${what}`, () => events.onMessages([message]));
        }
      },
      onClosed: events.onClosed,
    });
    return {
      send: (message) => {
        const what = words(Object.keys(message)[0], message.vote?.vote ?? message.result?.result);
        post.send(`${name} → coordinator: ${what}`, () => link.send(message));
      },
      end: () => link.end(),
      destroy: () => link.destroy(),
    };
  };
}

/** What a message says, in small words: `vote prepared` of a vote with `VOTE_PREPARED`. */
function words(body: string | undefined, value: string | number | undefined): string {
  return `${body} ${`${value ?? ''}`.replace(/^(VOTE|FINISH_VERB|FINISH_RESULT)_/, '').toLowerCase()}`.trim();
}
