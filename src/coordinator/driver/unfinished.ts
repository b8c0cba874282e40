// Branches that are told how to end and do not: each reason is told to people once, and a branch that stays open for a minute is told
// again and again, with what to do about it (D12).
import { unreachable } from '../../lib/assert.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import { OVERDUE_MS, SAME_REASON_MS } from '../../xa/times.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { type Bqual, formatXid, resourceOf } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import type { FinishingBranch, State } from '../engine/state.ts';
import { fixFor, notAttached, otherDatabase, tellReason, vouch } from './fixes.ts';
import type { Registry } from './registry.ts';
import type { HeldTransaction } from './transaction.ts';

/** A branch that stays open is told again after this. */
const AGAIN_MS = 600_000;
const LOOK_MS = 10_000;
/** At a time. A database that is away may keep thousands open, for one reason. */
const LINES_MAX = 20;
const REASONS_MAX = 1_000;

interface UnfinishedParts {
  readonly transactions: Registry;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: EventLogger;
}

export class Unfinished {
  readonly #parts: UnfinishedParts;
  readonly #toldAt = new Map<string, number>();
  #reasons = new Map<string, { at: number; more: number }>();
  #timer: Timer | undefined;

  constructor(parts: UnfinishedParts) {
    this.#parts = parts;
  }

  /** The newest call did not end this branch: why is in its state. */
  retried({ gtrid, state }: HeldTransaction, bqual: Bqual): void {
    const branch = branchesOf(state).find((other) => other.bqual === bqual);
    const reason = branch && whyOpenYet(branch);
    if (branch === undefined || reason === undefined) {
      return;
    }
    const { clock, logger } = this.#parts;
    const resource = resourceOf(bqual);
    const { code, sqlstate, errno, message } = reason;
    const key = `${resource} ${code} ${sqlstate ?? ''} ${errno ?? ''} ${state.kind}`;
    const now = clock.now();
    const known = this.#reasons.get(key);
    if (known !== undefined && now - known.at < SAME_REASON_MS) {
      known.more += 1;
      return;
    }
    if (this.#reasons.size >= REASONS_MAX) {
      this.#reasons = new Map();
    }
    this.#reasons.set(key, { at: now, more: 0 });
    const { attempts } = branch.status as { readonly attempts: number };
    const engine = { ...(sqlstate && { sqlstate }), ...(errno && { errno }), ...(known?.more && { more: known.more }) };
    logger.info({
      ...{ evt: 'branch-not-ended', txn: gtrid, branch: bqual, resource, state: state.kind, attempts, code, ...engine },
      message,
    });
  }

  /** Something is open for longer than its callers wait: from now on it is looked after, until nothing is. */
  watch(): void {
    this.#timer ??= this.#parts.clock.after(LOOK_MS, this.#look);
  }

  close(): void {
    this.#timer?.cancel();
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const { transactions, clock } = this.#parts;
    const now = clock.now();
    const open = transactions.all().filter(({ state }) => state.kind === 'committing' || state.kind === 'rolling-back');
    const due = open
      .filter(({ since }) => now - since >= OVERDUE_MS)
      .flatMap((transaction) =>
        branchesOf(transaction.state)
          .filter(isOpen)
          .map((branch) => ({ transaction, branch })),
      );
    const stuck = new Set(due.map(({ transaction, branch }) => nameOf(transaction, branch)));
    for (const name of [...this.#toldAt.keys()].filter((known) => !stuck.has(known))) {
      this.#toldAt.delete(name);
    }
    this.#tell(
      due.filter(({ transaction, branch }) => {
        const toldAt = this.#toldAt.get(nameOf(transaction, branch));
        return toldAt === undefined || now - toldAt >= AGAIN_MS;
      }),
      now,
    );
    if (open.length > 0) {
      this.watch();
    }
  };

  #tell(
    due: readonly { readonly transaction: HeldTransaction; readonly branch: FinishingBranch }[],
    now: number,
  ): void {
    const { directory, logger } = this.#parts;
    for (const [index, { transaction, branch }] of due.entries()) {
      this.#toldAt.set(nameOf(transaction, branch), now);
      if (index < LINES_MAX) {
        const { gtrid, state, since } = transaction;
        const { bqual } = branch;
        const decision = state.kind === 'committing' ? 'commit' : 'roll back';
        const seconds = Math.floor((now - since) / 1_000);
        const message = `was told to ${decision} ${seconds} s ago and has not done it: ${whyOpen(transaction, branch, directory)}`;
        logger.warn({
          evt: 'branch-overdue',
          txn: gtrid,
          branch: bqual,
          resource: resourceOf(bqual),
          seconds,
          message,
        });
      }
    }
    if (due.length > LINES_MAX) {
      const message = `${due.length - LINES_MAX} more branches do not end; concordat tx list shows them`;
      logger.warn({ evt: 'branches-overdue', count: due.length - LINES_MAX, message });
    }
  }
}

/** Why the branch is open, and what to do about it. */
export function whyOpen(
  { gtrid }: Pick<HeldTransaction, 'gtrid'>,
  branch: FinishingBranch,
  directory: Directory,
): string {
  const { bqual, status } = branch;
  const resource = resourceOf(bqual);
  const reason = whyOpenYet(branch);
  const last = reason === undefined ? '' : `${sentence(tellReason(reason))} `;
  if (status.kind === 'unproven') {
    return `its engine proves neither end. ${last}${vouch(gtrid, bqual)}`;
  }
  if (directory.sidecarOf(resource) === undefined) {
    const refused = directory.get(resource)?.refused;
    if (refused !== undefined) {
      return `no participant of ${resource} is attached; one is refused: ${sentence(refused.message)} ${last}${otherDatabase(resource)}`;
    }
    return `no participant of ${resource} is attached; the branch is told as soon as one is. ${last}${notAttached(bqual)}`;
  }
  return reason === undefined
    ? 'its participant has been told; the answer is awaited.'
    : `${last}${fixFor(gtrid, bqual, reason)}`;
}

function whyOpenYet({ status }: FinishingBranch): Reason | undefined {
  return status.kind === 'pending' || status.kind === 'unproven' || status.kind === 'swept' ? status.reason : undefined;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function branchesOf(state: State): readonly FinishingBranch[] {
  switch (state.kind) {
    case 'one-phase':
      return [state.branch];
    case 'committing':
    case 'rolling-back':
      return state.branches;
    case 'active':
    case 'preparing':
    case 'deciding':
    case 'completed':
      return [];
    default:
      return unreachable(state);
  }
}

/** No end of the branch is proven and settled yet. */
export function isUnproven({ status }: FinishingBranch): boolean {
  switch (status.kind) {
    case 'pending':
    case 'unproven':
    case 'recording-damage':
      return true;
    case 'proven':
    case 'damaged':
    case 'vouched':
    case 'swept':
      return false;
    default:
      return unreachable(status);
  }
}

function isOpen({ status }: FinishingBranch): boolean {
  return status.kind === 'pending' || status.kind === 'unproven';
}

function nameOf({ gtrid }: HeldTransaction, { bqual }: FinishingBranch): string {
  return formatXid({ gtrid, bqual });
}
