// Honest clients beside a flood: how long a transaction takes, of one that is connected and of one that comes.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { ScriptedParticipant } from '../coordinator/scripted-participant.ts';
import { TestSession } from '../coordinator/test-session.ts';
import { eventually } from '../support/eventually.ts';

export interface Measured {
  /** Milliseconds of each transaction. */
  readonly times: readonly number[];
  /** What was said to those that were refused or lost. */
  readonly refused: readonly string[];
}

const PAUSE_MS = 15;
const PATIENCE_MS = 10_000;

/** `works` runs one transaction after the other until `isOver`, and says what went wrong with one. */
async function measure(isOver: () => boolean, works: () => Promise<string | undefined>): Promise<Measured> {
  const times: number[] = [];
  const refused: string[] = [];
  while (!isOver()) {
    const since = performance.now();
    const wrong = await works().catch((error: unknown) => String(error));
    if (wrong === undefined) {
      times.push(performance.now() - since);
    } else {
      refused.push(wrong);
    }
    await sleep(PAUSE_MS);
  }
  return { times, refused };
}

/** Begins, commits over two resources, on a session that is open already. */
export function connected(
  session: TestSession,
  participants: readonly ScriptedParticipant[],
  isOver: () => boolean,
): Promise<Measured> {
  let used = 0;
  return measure(isOver, async () => {
    const { logIdentity, epoch, lease } = session.welcome;
    const gtrid = `${logIdentity}.${Number(epoch).toString(36)}.${(Number(lease?.first) + used).toString(36)}`;
    used += 1;
    const branches = participants.map(({ resource: bqual, instance }) => ({ bqual, instance }));
    const [begin, commit] = [session.id(), session.id()];
    session.send({ id: begin, begin: { gtrid } }, { id: commit, commit: { gtrid, branches } });
    const answer = await session.answer(commit, PATIENCE_MS);
    session.received.splice(0, session.received.length, ...session.received.filter(({ welcome }) => welcome));
    return answer.commit?.outcome === 'OUTCOME_COMMITTED' ? undefined : `${answer.error?.reason}`;
  });
}

/** Connects, greets, begins, rolls back, leaves. */
export function coming(address: string, isOver: () => boolean): Promise<Measured> {
  return measure(isOver, async () => {
    await using session = new TestSession(address);
    const hello = session.id();
    session.send({ id: hello, hello: { ...PROTOCOL, application: 'honest' } });
    await session.answer(hello, PATIENCE_MS);
    const gtrid = session.gtrid();
    session.send({ id: session.id(), begin: { gtrid } });
    const answer = await session.ask({ rollback: { gtrid } });
    return answer.rollback?.outcome === 'OUTCOME_ROLLED_BACK' ? undefined : `${answer.error?.reason}`;
  });
}

/** A second sidecar of a resource attaches and goes. */
export function attaching(address: string, resource: string, isOver: () => boolean): Promise<Measured> {
  return measure(isOver, async () => {
    await using sidecar = new ScriptedParticipant(address, resource);
    const heard = await eventually('an answer', () => sidecar.received.at(0), PATIENCE_MS);
    return heard.refused ? heard.refused.reason : undefined;
  });
}

export function p99({ times }: Measured): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? Number.POSITIVE_INFINITY;
}
