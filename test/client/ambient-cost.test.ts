// What it costs that a transaction goes along with the running code: the processor's time, so that a busy machine changes nothing.
import { expect, test } from 'vitest';
import { Ambient, type ScopedTransaction } from '../../src/client/scope/ambient.ts';
import { Level } from '../../src/client/scope/level.ts';

const TRANSACTIONS = 100_000;
const ROUNDS = 7;

/** Microseconds of the processor for each call of `work`, which awaits twice as a transaction does; the best of some rounds. */
async function cost(work: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const begun = process.cpuUsage();
    for (let index = 0; index < TRANSACTIONS; index++) {
      await work();
    }
    const { user, system } = process.cpuUsage(begun);
    best = Math.min(best, (user + system) / TRANSACTIONS);
  }
  return best;
}

test('the ambient context costs less than a microsecond for each transaction', {
  timeout: 120_000,
}, async (context) => {
  const ambient = new Ambient();
  const tx = { root: new Level(undefined, '') } as ScopedTransaction;
  const body = async (): Promise<unknown> => await await tx;
  const [plain, scoped] = [
    await cost(() => body()),
    await cost(() => ambient.inside({ tx, level: tx.root }, async () => (await body()) ?? ambient.now)),
  ];
  const each = scoped - plain;
  context.annotate(`${each.toFixed(2)} µs for each transaction`);
  expect(each).toBeLessThan(1);
});
