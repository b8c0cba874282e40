// Simulations that once found something, kept for ever. A seed draws other faults whenever the simulator learns a new kind: what it
// found has a test of its own, at the lowest level that shows it.
import { expect, test } from 'vitest';
import { simulate } from '../../proof/sim/simulate.ts';

const FOUND: readonly { readonly seed: number; readonly why: string }[] = [
  { seed: 367, why: 'what was prepared under a leased id whose Begin was refused stays no longer than its deadline' },
  { seed: 1_033, why: 'a branch that is opened again after its commit is rolled back alone' },
  { seed: 20, why: 'a restored log rolls back nothing of the lives before it' },
  { seed: 30_289, why: 'a late vote does not revive a transaction whose outcome has been forgotten' },
  { seed: 696_753_128, why: 'what a late first statement opens a second time is not committed in one phase' },
  {
    seed: 696_759_756,
    why: 'what an instance that was cut off still holds is no damage when its outcome is forgotten',
  },
  { seed: 157, why: 'a participant that dies before it has announced the evidence of its one phase leaves no hazard' },
];

test.each(FOUND)('seed $seed: $why', async ({ seed }) => {
  expect((await simulate({ seed, transactions: 100 })).violations).toEqual([]);
});
