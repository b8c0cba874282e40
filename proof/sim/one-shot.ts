// A transaction whose client waits for nothing: all statements and the commit leave at once, those of a branch in one frame or two.
import type { WorkBranch } from '../../src/client/work/work.ts';
import type { StatementCall } from '../../src/participants/runtime/branches/statement-call.ts';
import { type ClientBranchParts, textOf, xidOf } from './client-branch.ts';
import type { Embedded } from './embedded.ts';
import type { Plan, PlannedBranch } from './plan.ts';
import type { Executed, Site } from './site.ts';

export interface OneShotParts extends Pick<ClientBranchParts, 'host' | 'network' | 'attempt' | 'work'> {
  readonly participants: ReadonlyMap<Site, Embedded>;
  /** A participant has refused a statement, and its client has heard of it. */
  readonly onRefused: () => void;
}

/** Share of the branches whose statements do not fit in one frame. */
const SPLIT_SHARE = 0.3;
/** Streams break between the two, where it hurts, so much more often than elsewhere. */
const BREAKS_BETWEEN = 30;

/** Sends everything and waits for nothing; the branches are named to `work`. */
export function sendOneShot(plan: Plan, parts: OneShotParts): void {
  const { work, attempt } = parts;
  for (const branch of plan.branches) {
    const embedded = branch.isEmbedded ? parts.participants.get(branch.site) : undefined;
    // As the directory has it, which may be out of date when the frame arrives.
    const instance = embedded?.instance ?? branch.site.runtime?.instance ?? '';
    const named: WorkBranch = {
      resource: branch.site.parts.name,
      identity: { bqual: branch.bqual, instance },
      askForVote: () => true,
      stop: () => undefined,
    };
    work.add(named);
    attempt.isRefused ||= branch.statements.includes('fail');
    send(branch, callsOf(branch, parts), embedded, parts);
  }
}

function callsOf({ site, bqual, statements, isolation }: PlannedBranch, parts: OneShotParts): StatementCall[] {
  const { attempt, work } = parts;
  return statements.map((statement, index) => ({
    ...{ xid: xidOf(work.gtrid, bqual), number: index + 1, last: index + 1 === statements.length },
    statement: { sql: textOf(statement, { attempt, site, bqual, number: index + 1 }), parameters: [] },
    ...{ isolation, readOnly: false, timeoutMs: work.remainingMs, named: true, oneShot: true },
  }));
}

function send(
  { site }: PlannedBranch,
  calls: readonly StatementCall[],
  embedded: Embedded | undefined,
  { host, network, attempt, onRefused }: OneShotParts,
): void {
  const { world, chance, rates } = network;
  const answered = (executed: Executed): void => {
    if (executed.kind === 'refused') {
      attempt.isRefused = true;
      onRefused();
    }
  };
  if (embedded !== undefined) {
    for (const call of calls) {
      embedded.execute(call, answered);
    }
    return;
  }
  const first = chance.happens(SPLIT_SHARE) ? chance.int(1, calls.length) : calls.length;
  let arrival = 0;
  let isBroken = false;
  for (const [frame, broken] of [
    [calls.slice(0, first), rates.broken],
    [calls.slice(first), BREAKS_BETWEEN * rates.broken],
  ] as const) {
    arrival = Math.max(arrival, network.latency());
    world.after(arrival, () => {
      const there = site.host;
      isBroken ||= there === undefined || network.isCut(host, there) || chance.happens(broken);
      if (isBroken || there === undefined) {
        return; // What follows on a broken stream does not arrive either.
      }
      for (const call of frame) {
        site.execute(call, (executed) => {
          world.after(network.latency(), () => {
            if (!network.losesCall(host, there)) {
              host.enter(() => answered(executed));
            }
          });
        });
      }
    });
  }
}
