// What happens to all held branches at once: a coordinator comes back, a newer one follows it, the participant stops.
import type { HeldBranch as WireBranch } from '../../../gen/concordat/v1/HeldBranch.ts';
import type { Clock } from '../../../lib/clock.ts';
import { atMost } from '../../../lib/wait.ts';
import { toWireEvidence } from '../../../wire/evidence.ts';
import { openingEvidence } from '../../../xa/evidence.ts';
import { HELD_TOLD_MAX } from '../../../xa/limits.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import type { LogIdentity } from '../../../xa/xid.ts';
import { heldAs, preparedEvidence } from '../../engine/queries.ts';
import type { Branches } from './branches.ts';

/** How long sessions may take to roll back when the participant stops. */
const OBEY_MS = 5_000;

const RESTARTED: Reason = { code: 'BRANCH_UNKNOWN', message: 'the coordinator was restarted', retryable: true };

/** What a coordinator that comes back is told: open branches first, then prepared ones with their evidence. */
export function heldBranches(branches: Branches): WireBranch[] {
  const open: WireBranch[] = [];
  const prepared: WireBranch[] = [];
  for (const { xid, key, opening } of branches.all()) {
    const { gtrid, bqual } = xid;
    const own = openingEvidence(opening);
    const known = branches.known(key);
    switch (heldAs(known, own)) {
      case 'open':
        open.push({ gtrid, bqual, vote: 'VOTE_UNSPECIFIED', evidence: toWireEvidence(own) });
        break;
      case 'prepared':
        prepared.push({
          ...{ gtrid, bqual, vote: 'VOTE_PREPARED' },
          evidence: toWireEvidence(preparedEvidence(known.state, own) ?? own),
        });
        break;
      case undefined:
        break;
    }
  }
  return [...open, ...prepared].slice(0, HELD_TOLD_MAX);
}

/**
 * A life of a log spoke: unprepared branches of other logs and of older lives are rolled back and forgotten, prepared ones are
 * left to its reconciliation and commands.
 */
export function supersedeOlder(branches: Branches, identity: LogIdentity, epoch: number): void {
  for (const branch of [...branches.all()]) {
    if (branch.identity !== identity || branch.epoch < epoch) {
      branches.happened(branch, { kind: 'newer-life', reason: RESTARTED });
    }
  }
}

/**
 * Rolls back every active branch and tells the coordinator; resolves when their sessions have obeyed, or after 5 seconds: the
 * adapter, which is closed next, ends what does not obey.
 */
export async function abandonAll(branches: Branches, reason: Reason, clock: Clock): Promise<void> {
  const all = [...branches.all()];
  for (const branch of all) {
    branches.happened(branch, { kind: 'stop', reason });
  }
  await atMost(Promise.all(all.map(({ ending }) => ending)), { clock, timeoutMs: OBEY_MS });
}
