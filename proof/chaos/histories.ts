// What no coordinator can prevent: a database comes back with a history that ends earlier. Each scene cuts the history of one database
// between branches that it still knows and branches that it has lost, gives its numbers to other work, and looks at what is told.
import { randomUUID } from 'node:crypto';
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Concordat, HeuristicOutcomeError, type Transaction } from '../../src/client/index.ts';
import { run } from '../../src/dev/engines/run.ts';
import type { Database } from './database.ts';
import type { Violation } from './judge.ts';
import {
  connectAsOperator,
  decisionIsDurable,
  entriesOf,
  explainedAtTheEnd,
  forgetDamage,
  must,
  preparedEverywhere,
  stopBehindDecision,
} from './scene.ts';
import { atSide } from './sides.ts';
import { openStandby } from './standby.ts';
import type { World } from './world.ts';

/** How a database loses the newest part of its history. */
interface History extends AsyncDisposable {
  readonly name: string;
  readonly database: Database;
  /** What was done before is kept; what is done from now on is lost. */
  cut(): Promise<void>;
  /** The database comes back without what was done since `cut`. */
  comeBack(): Promise<void>;
}

/** Other work, so that whatever was given out after the cut is given out again: transaction numbers, for instance. */
const OTHER_WORK = 200;

/** Everything runs, and nothing else is at work. @param directory for what the scenes keep. */
export async function cutHistories(world: World, directory: string): Promise<readonly Violation[]> {
  const found: Violation[] = [];
  for (const database of world.databases) {
    const place = join(directory, `history-${database.name}`);
    const open = database.server.engine === 'postgresql' ? standbyPromoted : copyPutBack;
    const history = await open(world, database, place);
    try {
      const why = await play(world, history);
      found.push(...why.map((sentence): Violation => ({ kind: 'history', why: `${history.name}: ${sentence}` })));
    } catch (error) {
      found.push({ kind: 'history', why: `${history.name}: ${String(error)}` });
    } finally {
      world.coordinator.disarm();
      await history[Symbol.asyncDispose]();
    }
  }
  return found;
}

async function standbyPromoted(world: World, database: Database, directory: string): Promise<History> {
  const primary = database.server;
  const standby = await openStandby(primary, directory);
  return {
    name: `a standby of ${database.name} that lags is promoted`,
    database,
    cut: async () => {
      await standby.catchUp();
      standby.cutOff();
    },
    comeBack: async () => {
      await primary.kill('SIGKILL');
      await standby.promote();
      database.server = standby.server;
      for (const [name, link] of world.links) {
        if (name.endsWith(`>${database.name}`)) {
          link.lead(standby.server.port);
        }
      }
    },
    // The standby stays, as the database of the run.
    [Symbol.asyncDispose]: () => primary.stop(),
  };
}

async function copyPutBack(_world: World, database: Database, directory: string): Promise<History> {
  const { server } = database;
  const [{ data = '' } = {}] = await atSide(server, (query) => query('select @@datadir as data'));
  const source = String(data).replace(/\/$/, '');
  return {
    name: `a copy of ${database.name} is put back`,
    database,
    cut: async () => {
      await server.stop();
      await run('cp', ['-a', source, directory]);
      await server.start();
    },
    comeBack: async () => {
      await server.kill('SIGKILL');
      await server.stop();
      await rm(source, { recursive: true, force: true });
      // Into another file system it is copied instead.
      await rename(directory, source).catch(() => cp(directory, source, { recursive: true, preserveTimestamps: true }));
      await server.start();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * Two transactions are decided and two only prepared, of each pair one before the cut and one behind it. The coordinator stands still
 * while the database comes back, so that it learns of it from its engine's answers alone.
 */
async function play(world: World, history: History): Promise<readonly string[]> {
  const id = (what: string): string => `${history.database.name}-${what}`;
  await stopBehindDecision(world);
  await using concordat = await connectAsOperator(world);
  const prepare = (what: string): Promise<Transaction> => preparedEverywhere(world, concordat, id(what));
  const kept = { decided: await prepare('kept-decided'), prepared: await prepare('kept-prepared') };
  await history.cut();
  await sidecarsAreBack(world, concordat);
  const lost = { decided: await prepare('lost-decided'), prepared: await prepare('lost-prepared') };
  const decided = [kept.decided, lost.decided].map(heardOf);
  await decisionIsDurable(world);
  await history.comeBack();
  await otherWork(history.database);
  world.coordinator.disarm();
  const [keptDecided = '', lostDecided = ''] = await Promise.all(decided);
  const keptPrepared = await heardOf(kept.prepared);
  const lostPrepared = await heardOf(lost.prepared);
  return [
    ...(await isWhole(world, id('kept-decided'), kept.decided, keptDecided)),
    ...(await isWhole(world, id('kept-prepared'), kept.prepared, keptPrepared)),
    ...(await isDamage(world, history, id('lost-decided'), lost.decided, lostDecided)),
    ...(await isDamage(world, history, id('lost-prepared'), lost.prepared, lostPrepared)),
  ];
}

/** Commits, and says how the application heard of the end. */
async function heardOf(tx: Transaction): Promise<string> {
  return await tx.commit().then(
    ({ applied }) => (applied ? 'applied' : 'committed'),
    (error: unknown) => (error instanceof HeuristicOutcomeError ? 'heuristic' : String(error)),
  );
}

/** Every sidecar takes statements: those of a database that was down have attached anew. */
function sidecarsAreBack(world: World, concordat: Concordat): Promise<void> {
  return must('not every sidecar takes statements again', async () => {
    const tx = await preparedEverywhere(world, concordat, `probe-${randomUUID()}`);
    await tx.rollback('only a question');
    return true;
  });
}

async function otherWork({ server }: Database): Promise<void> {
  await atSide(server, async (query) => {
    await query('create table if not exists chaos_other (n int primary key)');
    for (let n = 0; n < OTHER_WORK; n += 1) {
      await query(`insert into chaos_other values (${n})`);
    }
    await query('drop table chaos_other');
  });
}

/** The database has kept the branch: nobody may notice that its history was cut behind it. */
async function isWhole(world: World, id: string, tx: Transaction, heard: string): Promise<readonly string[]> {
  const wrong = heard === 'applied' || heard === 'committed' ? [] : [`${id}: the application heard ${heard}`];
  const { state, outcome } = await explainedAtTheEnd(world, tx.gtrid);
  const missing = [...(await entriesOf(world, id))].filter(([, count]) => count !== 1).map(([name]) => name);
  return [
    ...wrong,
    ...(state === 'completed' && outcome === 'committed' ? [] : [`${id} is ${state} with the outcome ${outcome}`]),
    ...(missing.length === 0 ? [] : [`${id} is not at ${missing.join(' and ')}`]),
  ];
}

/** The branch is gone: every other one is committed, and this one is damage with what the engine shows, never "committed". */
async function isDamage(
  world: World,
  { database }: History,
  id: string,
  tx: Transaction,
  heard: string,
): Promise<readonly string[]> {
  const wrong = heard === 'heuristic' || heard === 'committed' ? [] : [`${id}: the application heard ${heard}`];
  const { state, outcome, branches } = await explainedAtTheEnd(world, tx.gtrid);
  const branch = branches.find(({ resource }) => resource === database.name);
  if (state !== 'completed' || outcome !== 'mixed' || branch?.state !== 'damaged' || branch.evidence === null) {
    wrong.push(`${id} is ${state} with the outcome ${outcome}, its branch ${branch?.state} by ${branch?.evidence}`);
  }
  for (const [name, count] of await entriesOf(world, id)) {
    if (count !== (name === database.name ? 0 : 1)) {
      wrong.push(`${id} is ${count} times at ${name}`);
    }
  }
  return [...wrong, ...(wrong.length === 0 ? await forgetDamage(world, tx.gtrid) : [])];
}
