// What the scenes at the end of a run share: transactions on all sides, the coordinator stopped behind a decision, and what is told of it.
import { type Concordat, connect, type Transaction } from '../../src/client/index.ts';
import { concordatCommand } from './operator.ts';
import { comes } from './patience.ts';
import { atSide } from './sides.ts';
import { placeholders } from './transfer.ts';
import type { World } from './world.ts';

/** A transaction in `tx explain`. */
export interface Explained {
  readonly state: string;
  readonly outcome: string | null;
  readonly branches: readonly {
    readonly resource: string;
    readonly state: string;
    readonly evidence: string | null;
  }[];
}

const WITHIN_MS = 60_000;
const UNKNOWN: Explained = { state: 'unknown', outcome: null, branches: [] };

/** The coordinator begins a life that stops behind its next durable decision, until `disarm`. */
export async function stopBehindDecision({ coordinator }: World): Promise<void> {
  coordinator.arm('decision-durable=stop');
  coordinator.kill();
  await must('the coordinator does not come back', () => coordinator.isArmed && coordinator.isReady);
}

export async function decisionIsDurable({ coordinator }: World): Promise<void> {
  await must('the coordinator does not reach its failpoint', () => coordinator.child?.isStopped === true);
}

/** A client that sees a sidecar of every database. */
export async function connectAsOperator({ address, databases }: World): Promise<Concordat> {
  const concordat = await connect(address, { application: 'chaos operator' });
  await must('not every resource is there', () =>
    databases.every((database) =>
      concordat.resources().some(({ name, available }) => name === database.name && available),
    ),
  );
  return concordat;
}

/** A transaction that has written its entry at every database and is prepared there. */
export async function preparedEverywhere(world: World, concordat: Concordat, id: string): Promise<Transaction> {
  const tx = concordat.begin({ timeoutMs: 60_000 });
  for (const { server } of world.databases) {
    const text = `insert into chaos_entry values (?, ?, 'mistake', 0, 0)`;
    await tx.resource(server.engine).query(placeholders(server.engine, text), [id, tx.gtrid], { last: true });
  }
  return tx;
}

/** `tx explain` when it is over, or what it says after a minute. */
export async function explainedAtTheEnd({ address }: World, gtrid: string): Promise<Explained> {
  let explained = UNKNOWN;
  const isOver = async (): Promise<boolean> => {
    const said = await concordatCommand(['tx', 'explain', gtrid, '--output', 'json', '--coordinator', address]);
    explained = (JSON.parse(said.stdout) as { readonly transaction: Explained }).transaction;
    return explained.state === 'completed';
  };
  await comes(WITHIN_MS, isOver, 250);
  return explained;
}

/** How often the entry is at each database, by its name. */
export async function entriesOf({ databases }: World, id: string): Promise<ReadonlyMap<string, number>> {
  const counts = databases.map(async ({ name, server }) => {
    const rows = await atSide(server, (query) => query(`select id from chaos_entry where id = '${id}'`));
    return [name, rows.length] as const;
  });
  return new Map(await Promise.all(counts));
}

/** Damage stays in the list until an operator has seen to it, and leaves it then. @returns what is wrong. */
export async function forgetDamage({ address }: World, gtrid: string): Promise<readonly string[]> {
  const reason = ['--reason', 'made by the chaos run on purpose', '--yes', '--coordinator', address];
  const said = await concordatCommand(['tx', 'forget', gtrid, ...reason]);
  return said.exit === 0 ? [] : [`tx forget ended with ${said.exit}: ${said.stderr}`];
}

export async function must(otherwise: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  if (!(await comes(WITHIN_MS, holds))) {
    throw new Error(otherwise);
  }
}
