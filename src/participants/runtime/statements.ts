// Statements of branches: which number may come next, what a repetition hears, and what a failure says to the application.

import type { Random } from '../../lib/random.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { newOpening } from '../../xa/evidence.ts';
import { STATEMENTS_WAITING_MAX } from '../../xa/limits.ts';
import { IDLE_GRACE_MS } from '../../xa/times.ts';
import type { Vote } from '../../xa/vocabulary.ts';
import { formatXid, type Gtrid } from '../../xa/xid.ts';
import type { BranchEvent } from '../engine/event.ts';
import { endedReason, mayOpen, statementRefusal } from '../engine/queries.ts';
import { branchUnknown, reasonOf, statementError } from '../reasons.ts';
import { type BranchSession, EngineError, type ResourceManager, type StatementResult } from '../resource-manager.ts';
import type { Branches } from './branches/branches.ts';
import type { HeldBranch } from './branches/held-branch.ts';
import { isSame, newestOf } from './branches/newest-statement.ts';
import { sessionOf } from './branches/sessions.ts';
import { clampTimeout, type StatementAnswer, type StatementCall } from './branches/statement-call.ts';

interface StatementsOptions {
  readonly rm: ResourceManager;
  readonly branches: Branches;
  readonly random: Random;
  /** @throws {CoordinatorError} why no branch of this transaction may be opened now. */
  readonly admit: (gtrid: Gtrid) => void;
}

export class Statements {
  readonly #options: StatementsOptions;

  constructor(options: StatementsOptions) {
    this.#options = options;
  }

  /**
   * Executes a statement, opening its branch with the first. After `last` the answer carries the vote, which the coordinator is
   * told in the same turn.
   * @throws {CoordinatorError} `BRANCH_UNKNOWN`, `BRANCH_STATE`, `BRANCH_BUSY`, `LIMIT_CONNECTIONS`, `RESOURCE_UNAVAILABLE`, and
   *   whatever the engine says, as `STATEMENT_FAILED` with its SQLSTATE.
   */
  execute(call: StatementCall): Promise<StatementAnswer> {
    const { branches } = this.#options;
    const key = formatXid(call.xid);
    const branch = branches.get(key);
    if (branch !== undefined) {
      return this.#next(branch, call);
    }
    const known = branches.known(key);
    if (!mayOpen(known) || call.number !== 1) {
      const refusal = statementRefusal(known.state);
      throw branchUnknown(call.xid, refusal?.kind === 'gone' ? refusal.reason : undefined);
    }
    this.#options.admit(call.xid.gtrid);
    return this.#begin(this.#open(call), call);
  }

  #open(call: StatementCall): HeldBranch {
    const { rm, branches, random } = this.#options;
    const { xid, isolation, readOnly, named, oneShot } = call;
    const timeoutMs = clampTimeout(call.timeoutMs);
    const opening = newOpening(random);
    return branches.open({ xid, opening, timeoutMs, named, oneShot }, () =>
      rm.open(xid, { opening, isolation, readOnly, idleTimeoutMs: timeoutMs + IDLE_GRACE_MS }),
    );
  }

  #next(branch: HeldBranch, call: StatementCall): Promise<StatementAnswer> {
    const newest = branch.newest;
    if (newest !== undefined && call.number === newest.number) {
      if (!isSame(newest, call)) {
        throw new CoordinatorError(
          'BRANCH_STATE',
          `statement ${call.number} of ${branch.key} was another one, of other text or parameters: number each statement of a branch once`,
        );
      }
      return newest.answer;
    }
    if (call.number !== (newest?.number ?? 0) + 1) {
      const message = `statement ${call.number} of ${branch.key} is out of order: the newest is ${newest?.number ?? 0}`;
      throw new CoordinatorError('BRANCH_STATE', message);
    }
    if (statementRefusal(branch.state) !== undefined) {
      throw new CoordinatorError('BRANCH_STATE', `branch ${branch.key} takes no more statements`);
    }
    if (branch.waiting >= STATEMENTS_WAITING_MAX) {
      throw new CoordinatorError('BRANCH_BUSY', `${branch.waiting} statements of ${branch.key} wait already`);
    }
    return this.#begin(branch, call);
  }

  #begin(branch: HeldBranch, call: StatementCall): Promise<StatementAnswer> {
    const answer = call.last ? this.#last(branch, call) : this.#one(branch, call);
    // Whoever repeats the number hears it; if nobody is there to hear a failure, it is no unhandled one.
    answer.catch(() => undefined);
    branch.newest = newestOf(call, answer);
    return answer;
  }

  async #one(branch: HeldBranch, call: StatementCall): Promise<StatementAnswer> {
    const { branches } = this.#options;
    branch.waiting += 1;
    try {
      return await branches.inTurn(branch.key, async () => {
        refuseEnded(branch);
        const result = await this.#execute(branch, call);
        refuseEnded(branch);
        return { result, vote: undefined };
      });
    } finally {
      branch.waiting -= 1;
    }
  }

  async #execute(branch: HeldBranch, call: StatementCall): Promise<StatementResult> {
    try {
      const session = await sessionOf(branch);
      return await session.execute(call.statement);
    } catch (error) {
      const event = error instanceof EngineError ? eventOf(error) : undefined;
      if (event !== undefined) {
        branch.damage ??= event.kind === 'damaged' ? event.proof : undefined;
        this.#options.branches.happened(branch, event);
      }
      refuseEnded(branch);
      throw statementError(error);
    }
  }

  async #last(branch: HeldBranch, call: StatementCall): Promise<StatementAnswer> {
    let result: StatementResult | undefined;
    let failure: unknown;
    const vote = await this.#options.branches.lastStatement(branch, async (session) => {
      try {
        const answer = await session.executeAndPrepare(call.statement);
        result = answer.result;
        return answer.vote;
      } catch (error) {
        failure = error;
        return await rolledBack(session, error);
      }
    });
    if (result === undefined) {
      throw statementError(failure ?? failed(vote));
    }
    return { result, vote };
  }
}

/** What a failed statement tells of its branch; undefined: it is as it was, but can only be rolled back, which the adapter keeps. */
function eventOf({ reason, damage, sessionLost }: EngineError): BranchEvent | undefined {
  if (damage !== undefined) {
    return { kind: 'damaged', reason, proof: damage };
  }
  return sessionLost ? { kind: 'session-lost', reason } : undefined;
}

/** The last statement failed: the branch can only be rolled back, and is at once, so that its locks go early. @throws {EngineError} damage */
async function rolledBack(session: BranchSession, error: unknown): Promise<Vote> {
  await session.rollback();
  if (error instanceof EngineError && error.damage !== undefined) {
    throw error;
  }
  return { kind: 'rollback', reason: reasonOf(error) };
}

/** The branch was never opened: the vote carries why. */
function failed(vote: Vote): unknown {
  return vote.kind === 'rollback' ? new EngineError(vote.reason, { sessionLost: true }) : undefined;
}

/** @throws {CoordinatorError} `BRANCH_UNKNOWN` when this participant ended the branch, by deadline or by command. */
function refuseEnded({ xid, state }: HeldBranch): void {
  const reason = endedReason(state);
  if (reason !== undefined) {
    throw branchUnknown(xid, reason);
  }
}
