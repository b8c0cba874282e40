// What happens to all held branches at once: a coordinator comes back, a newer one follows it, the participant stops.

import type { HeldBranch } from '../../gen/concordat/v1/HeldBranch.ts';
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { Clock } from '../../lib/clock.ts';
import { atMost } from '../../lib/wait.ts';
import { toWireEvidence } from '../../wire/evidence.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import type { LogIdentity } from '../../xa/xid.ts';
import { voteMessage } from '../attach/attach-messages.ts';
import type { Branch } from './branch.ts';
import type { Branches } from './branches.ts';

/** Branches listed to a coordinator that comes back; reconciliation tells it of further prepared ones. */
const HELD_MAX = 5_000;
/** How long sessions may take to roll back when the participant stops. */
const OBEY_MS = 5_000;

const RESTARTED: Reason = { code: 'BRANCH_UNKNOWN', message: 'the coordinator was restarted', retryable: true };

/**
 * What a coordinator that comes back is told: open branches first, then prepared ones with their evidence. Not those that a call of
 * its earlier life is finishing: they may be committed in one phase before it hears of them, and look like nobody's until then. Nor
 * those whose commit in one phase had no answer: whether they are still prepared, only their engine's list tells.
 */
export function heldBranches(branches: Branches, isAtWork: (branch: Branch) => boolean): HeldBranch[] {
  const open: HeldBranch[] = [];
  const prepared: HeldBranch[] = [];
  for (const branch of branches.all()) {
    const { xid, opening, state, toldOnePhase } = branch;
    if (isAtWork(branch) || toldOnePhase) {
      continue;
    }
    if (state.kind === 'prepared') {
      prepared.push({
        gtrid: xid.gtrid,
        bqual: xid.bqual,
        vote: 'VOTE_PREPARED',
        evidence: toWireEvidence(state.evidence),
      });
    } else {
      open.push({ gtrid: xid.gtrid, bqual: xid.bqual, vote: 'VOTE_UNSPECIFIED', evidence: { opening } });
    }
  }
  return [...open, ...prepared].slice(0, HELD_MAX);
}

/**
 * A life of a log spoke: unprepared branches of other logs and of older lives are rolled back and forgotten, prepared ones are
 * left to its reconciliation and commands.
 */
export function supersedeOlder(branches: Branches, identity: LogIdentity, epoch: number): void {
  for (const branch of [...branches.all()]) {
    if (branch.identity !== identity || branch.epoch < epoch) {
      branches.supersede(branch, RESTARTED);
    }
  }
}

/**
 * Rolls back every active branch and tells the coordinator; resolves when their sessions have obeyed, or after 5 seconds: the
 * adapter, which is closed next, ends what does not obey.
 */
export async function abandonAll(
  branches: Branches,
  reason: Reason,
  ports: { readonly clock: Clock; readonly report: (message: ParticipantMessage) => void },
): Promise<void> {
  const rollbacks: Promise<void>[] = [];
  for (const branch of [...branches.all()]) {
    if (branch.state.kind === 'active') {
      rollbacks.push(branches.abandon(branch, reason));
      ports.report(voteMessage(branch.xid, { kind: 'rollback', reason }));
    }
  }
  await atMost(Promise.all(rollbacks), { clock: ports.clock, timeoutMs: OBEY_MS });
}
