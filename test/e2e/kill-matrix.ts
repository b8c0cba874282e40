// Every part of the system killed with kill -9 at every stage of a commit. One definition, run on each pair of engines.
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { Program } from '../../src/dev/program.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { frozen, type System, settled, type UsedSystem } from './system.ts';

const CLIENT = resolve(import.meta.dirname, 'client-program.ts');

/** Where the transaction stands when the part is killed, and the failpoint that holds the coordinator there. */
const STAGES = {
  'before prepare': undefined,
  'between prepare and decision': 'before-decision',
  'between decision and phase two': 'decision-durable',
} as const;
type Stage = keyof typeof STAGES;

const VICTIMS = ['coordinator', 'sidecar', 'other sidecar', 'database', 'other database', 'client'] as const;
type Victim = (typeof VICTIMS)[number];

export function killMatrix(pair: UsedSystem, victims: readonly Victim[] = VICTIMS): void {
  for (const stage of Object.keys(STAGES) as Stage[]) {
    for (const victim of victims) {
      test(`kill -9 of the ${victim} ${stage}: both databases agree and nothing is left (faults F04 F05 F08 F63 F72 F81)`, {
        timeout: 60_000,
      }, async () => {
        await killOnce(pair, victim, stage);
      });
    }
  }
}

async function killOnce(pair: UsedSystem, victim: Victim, stage: Stage): Promise<void> {
  const { system } = pair;
  const { cluster } = system;
  const failpoint = STAGES[stage];
  if (failpoint !== undefined) {
    await cluster.coordinator.kill();
    await cluster.startCoordinator(`${failpoint}=stop`);
  }
  let client: Program | undefined;
  try {
    client = await startClient(system);
    client.tell('transfer');
    await client.event('worked');
    if (failpoint === undefined) {
      await kill(pair, victim, client);
      client.tell('commit');
      await revive(pair, victim);
    } else {
      client.tell('commit');
      await frozen(cluster.coordinator);
      await kill(pair, victim, client);
      await revive(pair, victim);
      cluster.coordinator.signal('SIGCONT');
    }
    const heard = victim === 'client' ? undefined : String((await client.event('ended'))['outcome']);
    const { orders, deposit } = await settled(system);
    expect(deposit).toBe(DEPOSIT - 10 * orders);
    judge({ stage, victim, heard, orders });
  } catch (error) {
    throw new Error(`${String(error)}\n${lastWords(system)}`, { cause: error });
  } finally {
    await client?.kill();
  }
}

/** Of the programs that a failure may be the fault of. */
function lastWords({ cluster }: System): string {
  const programs = {
    coordinator: cluster.coordinator,
    accounts: cluster.sidecar('accounts'),
    orders: cluster.sidecar('orders'),
  };
  return Object.entries(programs)
    .map(([name, program]) => `--- ${name}\n${program.lastWords}`)
    .join('\n');
}

interface Verdict {
  readonly stage: Stage;
  readonly victim: Victim;
  readonly heard: string | undefined;
  readonly orders: number;
}

function judge({ stage, victim, heard, orders }: Verdict): void {
  // D5: what the client was told is what happened.
  if (heard === 'committed') {
    expect(orders).toBe(1);
  } else if (heard === 'TransactionRolledBackError') {
    expect(orders).toBe(0);
  } else {
    expect(heard, 'the client hears an end').toBe(victim === 'client' ? undefined : 'an end');
  }
  // A durable decision is carried out, whoever dies; before it, what died takes the transaction with it.
  if (stage === 'between decision and phase two') {
    expect(orders).toBe(1);
  }
  if (stage === 'before prepare' || (stage === 'between prepare and decision' && victim === 'coordinator')) {
    expect(orders).toBe(0);
  }
}

async function startClient({ cluster, twoPostgres }: System): Promise<Program> {
  const client = Program.start({ script: CLIENT, args: [cluster.address, twoPostgres ? 'dollar' : 'question'] });
  await client.event('ready');
  return client;
}

async function kill({ system, accounts, orders }: UsedSystem, victim: Victim, client: Program): Promise<void> {
  const { cluster } = system;
  switch (victim) {
    case 'coordinator':
      return cluster.coordinator.kill();
    case 'sidecar':
      return cluster.sidecar('accounts').kill();
    case 'other sidecar':
      return cluster.sidecar('orders').kill();
    case 'database':
      return accounts.server.kill('SIGKILL');
    case 'other database':
      return orders.server.kill('SIGKILL');
    case 'client':
      return client.kill();
  }
}

async function revive({ system, accounts, orders }: UsedSystem, victim: Victim): Promise<void> {
  const { cluster } = system;
  switch (victim) {
    case 'coordinator':
      return cluster.startCoordinator();
    case 'sidecar':
      return cluster.startSidecar('accounts', { wait: false });
    case 'other sidecar':
      return cluster.startSidecar('orders', { wait: false });
    case 'database':
      return accounts.server.start();
    case 'other database':
      return orders.server.start();
    case 'client':
      return;
  }
}
