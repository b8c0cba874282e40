// Asks the coordinator, when all is over, how each transaction ended: it must not contradict what was told, or what is there.
import { ConcordatError, connect, type TransactionOutcome } from '../../src/client/index.ts';
import type { Books, Violation } from './judge.ts';
import type { Told } from './reports.ts';

const AT_ONCE = 50;

export async function askedAfterwards(
  address: string,
  told: readonly Told[],
  sides: readonly Books[],
): Promise<readonly Violation[]> {
  const there = new Set(sides.flatMap(({ entries }) => entries.map(({ id }) => id)));
  await using concordat = await connect(address, { application: 'chaos judge' });
  const found: Violation[] = [];
  const queue = told.filter(({ gtrid }) => gtrid !== undefined);
  const ask = async (): Promise<void> => {
    for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
      const outcome = await outcomeOf(concordat, one);
      const why = contradiction(one, outcome, there.has(one.id));
      if (why !== undefined) {
        const name = `${one.id} (${one.gtrid}, ${one.way}) of ${one.group}`;
        found.push({ kind: 'contradiction', why: `${name}: told ${one.answer}, ${why}` });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return found;
}

async function outcomeOf(
  concordat: Awaited<ReturnType<typeof connect>>,
  { gtrid = '', branches }: Told,
): Promise<TransactionOutcome | 'not-found'> {
  try {
    return await concordat.outcome(gtrid, branches);
  } catch (error) {
    if (error instanceof ConcordatError && error.code === 'TXN_NOT_FOUND') {
      return 'not-found';
    }
    throw error;
  }
}

/** Undefined: it fits. Silence, `unknown` and `expired`, fits everything. */
export function contradiction(
  { answer }: Pick<Told, 'answer'>,
  outcome: TransactionOutcome | 'not-found',
  isThere: boolean,
): string | undefined {
  const said = `the coordinator says ${outcome} afterwards, and it is ${isThere ? '' : 'not '}there`;
  switch (outcome) {
    case 'committed':
      return answer === 'rolled-back' || !isThere ? said : undefined;
    case 'rolled-back':
      return answer === 'committed' || isThere ? said : undefined;
    case 'mixed':
    case 'hazard':
    case 'active':
      return said;
    case 'unknown':
    case 'expired':
    case 'not-found':
      return undefined;
  }
}
