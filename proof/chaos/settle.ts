// The end of the faults: everything comes back, every transaction ends within a bound, and then the judge looks.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Violation } from './judge.ts';
import { concordatCommand, type Listed, listTransactions } from './operator.ts';
import type { Part } from './part.ts';
import { comes } from './patience.ts';
import { preparedAt } from './sides.ts';
import { everyPart, type World } from './world.ts';

/** On a busy machine with two cores a program takes seconds to start, and a retry its backoff. */
const READY_WITHIN_MS = 90_000;
const PAUSED_WITHIN_MS = 60_000;
const ENDED_WITHIN_MS = 60_000;
const PREPARED_WITHIN_MS = 30_000;
const LIST_EVERY_MS = 250;
const PAUSED = { evt: 'paused' } as const;

/** No more faults: everything comes back, and does its work again. */
export async function heal(world: World): Promise<readonly Violation[]> {
  for (const part of everyPart(world)) {
    part.calm(true);
  }
  for (const link of world.links.values()) {
    link.fail(undefined);
  }
  if (!(await comes(READY_WITHIN_MS, () => everyPart(world).every(({ isReady }) => isReady)))) {
    const away = everyPart(world).filter(({ isReady }) => !isReady);
    const words = away.map(({ name, lastWords }) => `${name} said last:\n${lastWords}`).join('\n');
    return [{ kind: 'stuck', why: `not back ${READY_WITHIN_MS} ms after the faults: ${namesOf(away)}\n${words}` }];
  }
  return [];
}

/** The applications take up nothing more and wait for what is open: what they were told is in their files then. */
export async function quieten(world: World): Promise<readonly Violation[]> {
  const paused = await Promise.all(world.applications.map(pause));
  const busy = world.applications.filter((_, index) => paused[index] === false);
  return busy.length === 0
    ? []
    : [{ kind: 'stuck', why: `${namesOf(busy)} still waits for an answer ${PAUSED_WITHIN_MS} ms after the faults` }];
}

/** Everything has ended: the coordinator lists nothing, and no engine holds a branch of ours. */
export async function everythingEnds(world: World): Promise<readonly Violation[]> {
  let listed: readonly Listed[] = [];
  const looks = async (): Promise<boolean> => {
    listed = await listTransactions(world.address);
    return listed.length === 0;
  };
  if (!(await comes(ENDED_WITHIN_MS, looks, LIST_EVERY_MS))) {
    const [first] = listed;
    const explained = await concordatCommand(['tx', 'explain', first?.id ?? '', '--coordinator', world.address]);
    const why = `tx list still shows ${listed.length} after ${ENDED_WITHIN_MS} ms:\n${explained.stdout}${explained.stderr}`;
    return [{ kind: 'stuck', why }];
  }
  const left = await Promise.all(
    world.databases.map(async ({ name, server }): Promise<readonly Violation[]> => {
      let prepared: readonly string[] = [];
      const isEmpty = async (): Promise<boolean> => {
        prepared = await preparedAt(server);
        return prepared.length === 0;
      };
      return (await comes(PREPARED_WITHIN_MS, isEmpty))
        ? []
        : [{ kind: 'left', why: `${name} still holds ${prepared.join(', ')} prepared` }];
    }),
  );
  return left.flat();
}

async function pause(application: Part): Promise<boolean> {
  const end = performance.now() + PAUSED_WITHIN_MS;
  while (performance.now() < end) {
    const { child } = application;
    if (child?.isRunning === true) {
      child.forget(PAUSED);
      child.tell('pause');
      const late = sleep(end - performance.now(), false, { ref: false });
      if (await Promise.race([child.says(PAUSED), late])) {
        return true;
      }
    }
    await sleep(50);
  }
  return false;
}

function namesOf(parts: readonly { readonly name: string }[]): string {
  return parts.map(({ name }) => name).join(', ');
}
