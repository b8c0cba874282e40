// A transaction of a service that has no session: calls that are repeated, with their request ids, until they are answered.
import { toldOutcome } from '../../src/client/work/outcome.ts';
import { Work } from '../../src/client/work/work.ts';
import type { Core } from '../../src/coordinator/core.ts';
import type { CommitResponse } from '../../src/gen/concordat/v1/CommitResponse.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';
import type { Attempt, Attempts, Told } from './attempt.ts';
import { type ClientBranchParts, runBranches } from './client-branch.ts';
import type { CoordinatorNode } from './coordinator.ts';
import type { Embedded } from './embedded.ts';
import type { Plan } from './plan.ts';
import type { Site } from './site.ts';

export interface UnaryParts extends Pick<ClientBranchParts, 'host' | 'network'> {
  readonly participants: ReadonlyMap<Site, Embedded>;
  readonly coordinator: CoordinatorNode;
  readonly attempts: Attempts;
  readonly tell: (attempt: Attempt, told: Told, applied: boolean) => void;
}

const TRIES = 12;
const RETRY_MS = 300;
/** Refusals after which the same call is made again. */
const OPEN: ReadonlySet<string> = new Set(['CONNECTION_LOST', 'DEADLINE', 'LOG_FAILED', 'OUTCOME_UNKNOWN']);
const ENDS: ReadonlySet<string> = new Set(['committed', 'rolled-back', 'mixed', 'hazard'] satisfies Told[]);

/** Over whichever connection it repeats a request. */
const CALLER = 'token simulated';

/** @returns undefined when nothing was begun. */
export async function unaryTransaction(plan: Plan, parts: UnaryParts): Promise<Attempt | undefined> {
  const { host, attempts } = parts;
  const requestId = host.chance.base32(10);
  const begun = await repeated(parts, (core) =>
    core.application.begin({ requestId, timeoutMs: plan.timeoutMs, gtrid: '' }, CALLER),
  );
  const gtrid = begun.gtrid ?? '';
  const attempt = attempts.add(gtrid);
  const work = new Work(gtrid, host.clock, {});
  work.limit(plan.timeoutMs, 0, () => new Error('the transaction is overdue'));
  await runBranches(plan, { ...parts, attempt, work });
  attempt.branches = work.identities();
  if (plan.end !== 'abandon') {
    await end(plan, attempt, work, parts);
  }
  return attempt;
}

async function end(plan: Plan, attempt: Attempt, work: Work, parts: UnaryParts): Promise<void> {
  const { gtrid } = attempt;
  const branches = work.identities().map(({ bqual, instance }) => ({ bqual, instance, asked: false }));
  const requestId = `end-${gtrid}`;
  try {
    if (plan.end === 'rollback' || work.failure !== undefined) {
      const request = { requestId, gtrid, branches, reason: '' };
      await repeated(parts, (core) => answered((reply) => core.application.rollback(request, CALLER, reply)));
      parts.tell(attempt, 'rolled-back', false);
      return;
    }
    attempt.askedToCommit = true;
    attempt.isOnePhase = branches.length === 1;
    const acknowledgement = plan.acknowledgement === 'decided' ? 'ACKNOWLEDGEMENT_DECIDED' : 'ACKNOWLEDGEMENT_APPLIED';
    const request = { requestId, gtrid, branches, acknowledgement } as const;
    const { outcome, state } = await repeated(parts, (core) =>
      answered<CommitResponse>((reply) => core.application.commit(request, CALLER, reply)),
    );
    const told = toldOutcome({ outcome: typeof outcome === 'string' ? outcome : 'OUTCOME_UNKNOWN' });
    parts.tell(attempt, told, state === 'TRANSACTION_STATE_COMPLETED');
  } catch (error) {
    const told = error instanceof CoordinatorError ? (error.metadata['outcome'] ?? '') : '';
    if (ENDS.has(told)) {
      parts.tell(attempt, told as Told, false);
    }
  }
}

/** @throws {CoordinatorError} the refusal, or that nobody answered. */
async function repeated<T>(parts: UnaryParts, action: (core: Core) => T | Promise<T>): Promise<T> {
  const { coordinator, host } = parts;
  for (let left = TRIES; ; left -= 1) {
    try {
      return await coordinator.call(host, action);
    } catch (error) {
      if (left === 0 || !(error instanceof CoordinatorError) || !OPEN.has(error.code)) {
        throw error;
      }
    }
    await new Promise<void>((resolve) => host.clock.after(host.chance.gap(RETRY_MS), resolve));
  }
}

interface Reply<Response> {
  answer(response: Response): void;
  refuse(error: CoordinatorError): void;
}

function answered<Response>(ask: (reply: Reply<Response>) => void): Promise<Response> {
  return new Promise((resolve, reject) => ask({ answer: resolve, refuse: reject }));
}
