// What an operator must not do: finish a prepared branch by hand, against the decision. It ends as recorded damage, never as success.
import { setTimeout } from 'node:timers/promises';
import { HeuristicOutcomeError, type Transaction } from '../../src/client/index.ts';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { LETTING_GO_MS } from '../../src/participants/mysql/finish/finish.ts';
import { ownerText } from '../../src/participants/mysql/sql/texts.ts';
import { parseRow } from '../../src/xa/evidence.ts';
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
import { atSide, type SideName } from './sides.ts';
import type { World } from './world.ts';

type Verb = 'commit' | 'rollback';
/** By hand `verb` at `side`; the coordinator decides otherwise, or alike. */
interface Mistake {
  readonly side: SideName;
  readonly verb: Verb;
  readonly decision: Verb;
}

interface Scene extends Mistake {
  readonly world: World;
  readonly servers: readonly EngineServer[];
  readonly id: string;
}

/** Everything runs, and nothing else is at work. */
export async function makeMistakes(world: World): Promise<readonly Violation[]> {
  const servers = world.databases.map(({ server }) => server);
  const mistakes = servers.flatMap(({ engine }): readonly Mistake[] => [
    { side: engine, verb: 'commit', decision: 'rollback' },
    { side: engine, verb: 'rollback', decision: 'commit' },
  ]);
  const [first] = servers;
  const harmless: readonly Mistake[] =
    first === undefined ? [] : [{ side: first.engine, verb: 'commit', decision: 'commit' }];
  const found: Violation[] = [];
  for (const [index, mistake] of [...mistakes, ...harmless].entries()) {
    const { side, verb, decision } = mistake;
    const name = `${verb} by hand at ${side}, decided ${decision}`;
    try {
      const why = await play({ ...mistake, world, servers, id: `mistake-${index}` });
      found.push(...why.map((sentence): Violation => ({ kind: 'operator', why: `${name}: ${sentence}` })));
    } catch (error) {
      found.push({ kind: 'operator', why: `${name}: ${String(error)}` });
    }
  }
  return found;
}

/** @returns what is wrong, in sentences. */
async function play(scene: Scene): Promise<readonly string[]> {
  const { world, verb, decision, id } = scene;
  if (decision === 'commit') {
    await stopBehindDecision(world);
  }
  await using concordat = await connectAsOperator(world);
  const tx = await preparedEverywhere(world, concordat, id);
  const heard = decision === 'commit' ? await commitAround(scene, tx) : await rollBackAround(scene, tx);
  const isDamage = verb !== decision;
  return [
    ...heard,
    ...(await judgeScene(scene, tx.gtrid, isDamage)),
    ...(isDamage ? await forgetDamage(world, tx.gtrid) : []),
  ];
}

/** The decision is durable and no branch has been told, when the hand comes in. */
async function commitAround(scene: Scene, tx: Transaction): Promise<readonly string[]> {
  const { world, verb } = scene;
  const committing = tx.commit().then(
    ({ applied }) => (applied ? 'applied' : 'not applied yet'),
    (error: unknown) => error,
  );
  await decisionIsDurable(world);
  await byHand(scene, tx.gtrid);
  world.coordinator.disarm();
  const heard = await committing;
  // A resource that is away makes the answer come early; that it is applied must not be said of a branch that is lost.
  const isRight =
    verb === 'commit'
      ? typeof heard === 'string'
      : heard instanceof HeuristicOutcomeError || heard === 'not applied yet';
  return isRight ? [] : [`the application heard ${String(heard)}`];
}

async function rollBackAround(scene: Scene, tx: Transaction): Promise<readonly string[]> {
  await byHand(scene, tx.gtrid);
  await tx.rollback('the other side failed');
  return [];
}

/** The sidecars are up. What happens while all of them are away is noticed only by the life of the coordinator that told the rollback. */
async function byHand({ servers, side, verb }: Scene, gtrid: string): Promise<void> {
  const server = servers.find(({ engine }) => engine === side);
  if (server === undefined) {
    throw new Error(`${side} does not run`);
  }
  await must('the branch could not be finished by hand', () => finish(server, verb, gtrid));
}

function finish(server: EngineServer, verb: Verb, gtrid: string): Promise<boolean> {
  return atSide(server, async (query) => {
    if (server.engine === 'postgresql') {
      const [prepared] = await query(`select gid from pg_prepared_xacts where gid like 'concordat:${gtrid}:%'`);
      await query(`${verb} prepared '${prepared?.['gid']}'`);
      return true;
    }
    const rows = await query('xa recover');
    const { data, formatID } = rows.find((row) => String(row['data']).startsWith(gtrid)) ?? {};
    const row = parseRow(`${gtrid}:${String(data).slice(gtrid.length)}`);
    if (row === undefined) {
      throw new Error(`the engine lists no branch of ${gtrid}`);
    }
    // At MariaDB only the session that prepared a branch can finish it as long as it lives: the hand that does this ends it.
    const owner = (await query(ownerText(row))).flatMap((row) => Object.values(row))[0];
    if (owner !== null && owner !== undefined) {
      await query(`kill ${Number(owner)}`);
      // A hand that does not wait for the session's end, and a moment more, may be answered OK by MariaDB 10.11 while the branch keeps its
      // locks, in no list.
      const isFree = async (): Promise<boolean> => Object.values((await query(ownerText(row)))[0] ?? {})[0] === null;
      await must('the killed session does not end', isFree);
      await setTimeout(LETTING_GO_MS);
    }
    await query(`xa ${verb} '${row.gtrid}','${row.bqual}:${row.opening}',${formatID}`);
    return true;
  });
}

async function judgeScene(scene: Scene, gtrid: string, isDamage: boolean): Promise<readonly string[]> {
  const { world, side, verb, decision, id } = scene;
  const { state, outcome, branches } = await explainedAtTheEnd(world, gtrid);
  const wanted = isDamage ? 'mixed' : 'committed';
  const branch = branches.find(({ resource }) => resource === side);
  const wrong: string[] = [];
  if (state !== 'completed' || outcome !== wanted) {
    wrong.push(`it is ${state} with the outcome ${outcome}, not completed with ${wanted}`);
  }
  if (isDamage && (branch?.state !== 'damaged' || branch.evidence === null)) {
    wrong.push(`its branch is ${branch?.state} with the evidence ${branch?.evidence}, not damaged with evidence`);
  }
  for (const [name, count] of await entriesOf(world, id)) {
    const isThere = (name === side ? verb : decision) === 'commit';
    if (count !== (isThere ? 1 : 0)) {
      wrong.push(`${name} has it ${count} times`);
    }
  }
  return wrong;
}
