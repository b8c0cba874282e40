// Branches whose commit is decided and not proven yet, by resource: what operators watch.
import { type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { HeldTransaction } from '../driver/transaction.ts';
import { isUnproven } from '../driver/unfinished.ts';

interface PendingCount {
  readonly count: number;
  /** Monotonic milliseconds: since when the oldest of their transactions is known. */
  readonly oldestAt: number;
}

/** Of transactions that are told, that wait for a retry, or that wait for a participant that is away alike. */
export function pendingBranches(transactions: readonly HeldTransaction[]): ReadonlyMap<ResourceName, PendingCount> {
  const result = new Map<ResourceName, PendingCount>();
  for (const { state, openedAt } of transactions) {
    if (state.kind === 'committing') {
      for (const { bqual } of state.branches.filter(isUnproven)) {
        const resource = resourceOf(bqual);
        const { count, oldestAt } = result.get(resource) ?? { count: 0, oldestAt: openedAt };
        result.set(resource, { count: count + 1, oldestAt: Math.min(oldestAt, openedAt) });
      }
    }
  }
  return result;
}
