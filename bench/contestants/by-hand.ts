// The floors: the same work by hand, without a coordinator and without recovery.
import type { Contestant } from '../contestant.ts';
import type { Prepared, Side } from '../sides.ts';
import type { Decisions } from './decisions.ts';

/** Two local commits, not atomic: a crash in between makes or loses money. */
export function local([debit, credit]: Sides): Contestant {
  return {
    name: 'local',
    async transfer(from, to) {
      await Promise.all([debit.update(from), credit.update(to)]);
    },
  };
}

/** Two-phase commit, one round trip for each statement, branches in parallel; no decision is written anywhere. */
export function raw([debit, credit]: Sides): Contestant {
  return {
    name: 'raw',
    async transfer(from, to) {
      const gid = nextGid();
      await commitBoth(await both([debit.prepare(gid, from), credit.prepare(gid, to)]));
    },
  };
}

/** The same with a row of evidence at MySQL and MariaDB: what it costs that the end of a branch can be proven there. */
export function rawWithEvidence([debit, credit]: Sides): Contestant {
  return {
    name: 'raw-evidence',
    async transfer(from, to) {
      const gid = nextGid();
      await commitBoth(await both([debit.prepareWithEvidence(gid, from), credit.prepareWithEvidence(gid, to)]));
    },
  };
}

/** Everything up to the prepare in one round trip for each database, and a durable decision before phase two. */
export function batched([debit, credit]: Sides, decisions: Decisions): Contestant {
  return {
    name: 'batched',
    async transfer(from, to) {
      const gid = nextGid();
      const prepared = await both([debit.prepareAtOnce(gid, from), credit.prepareAtOnce(gid, to)]);
      await decisions.write(gid);
      await commitBoth(prepared);
    },
  };
}

type Sides = readonly [Side, Side];

/** Both halves, or none: one that was prepared alone is rolled back. */
async function both(halves: readonly Promise<Prepared>[]): Promise<Prepared[]> {
  const results = await Promise.allSettled(halves);
  const failed = results.find((result) => result.status === 'rejected');
  const prepared = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (failed === undefined) {
    return prepared;
  }
  await Promise.all(prepared.map((half) => half.rollback()));
  throw failed.reason;
}

async function commitBoth(prepared: readonly Prepared[]): Promise<void> {
  await Promise.all(prepared.map((half) => half.commit()));
}

let sequence = 0;

function nextGid(): string {
  sequence += 1;
  return `by-hand-${process.pid}-${sequence}`;
}
