// What participants tell of transactions that are not held in memory: overtaken Begins, orphans of an earlier life, late messages.

import type { Logger } from '../../lib/logger.ts';
import type { Log } from '../../log/log.ts';
import { ORPHANS_MAX } from '../../xa/limits.ts';
import type { FinishResult } from '../../xa/vocabulary.ts';
import { type Gtrid, gtridParts, type ResourceName } from '../../xa/xid.ts';
import { recordedOutcome } from '../driver/answers.ts';
import type { Driver } from '../driver/driver.ts';
import type { Leases } from '../driver/leases.ts';
import type { Holder, Transaction } from '../driver/transaction.ts';
import type { Effect, Event } from '../engine/event.ts';
import { decidedLongAgo, orphan } from '../engine/recovered.ts';
import { evidenceOf } from '../engine/reports.ts';
import { openTransaction } from '../engine/state.ts';
import type { LostDecisions } from './lost-decisions.ts';
import type { Quarantine } from './quarantine.ts';

type BranchResultEvent = Extract<Event, { kind: 'branch-result' }>;
export type BranchEvent = Extract<Event, { kind: 'branch-opened' | 'vote' | 'branch-found' }>;

interface StraysParts {
  readonly driver: Driver;
  readonly leases: Leases;
  readonly log: Log;
  readonly lost: LostDecisions;
  readonly logger: Logger;
  readonly quarantine: Quarantine;
  readonly defaultTimeoutMs: number;
  /** Whether a transaction may still be begun: not while draining, not beyond the limits. */
  readonly mayBegin: (holder: Holder) => boolean;
}

export class Strays {
  readonly #parts: StraysParts;
  constructor(parts: StraysParts) {
    this.#parts = parts;
  }

  /** A sidecar of the resource has told what its engine holds prepared. */
  listed(resource: ResourceName): void {
    this.#parts.quarantine.listed(resource);
  }

  /** Delivers an event to its transaction, wherever that is: in memory, in the log, or nowhere. */
  deliver(gtrid: Gtrid, event: BranchEvent, resource: ResourceName): void {
    const { driver } = this.#parts;
    if (this.#followsWord(gtrid, event)) {
      return;
    }
    const transaction = driver.registry.find(gtrid);
    if (transaction !== undefined) {
      driver.apply(transaction, event);
    } else {
      this.#unknown(gtrid, event, resource);
    }
  }

  /**
   * The answer to a rollback, as the transaction is to hear it. A branch of an earlier life that no decision names, and that its engine
   * proves to be committed, was committed in one phase: of such a commit only the answer was lost, and it is not damage (D5). Unless
   * others of its transaction are known: then it was somebody's hand. Of a transaction that is older than the retained outcomes nothing
   * can be said: it may have been decided, and an instance that was cut off has not heard of it (D7).
   */
  judged(transaction: Transaction, { bqual, verb, result }: BranchResultEvent): FinishResult {
    const { gtrid, presumed, neverBegun, state } = transaction;
    const isOrphan = presumed && !neverBegun && (state.kind === 'rolling-back' || state.kind === 'completed');
    if (!isOrphan || verb !== 'rollback' || result.kind !== 'done-otherwise') {
      return result;
    }
    const { log } = this.#parts;
    const logged = log.outcome(gtrid);
    const isExpired = logged.kind === 'expired';
    const others = state.branches.some((branch) => branch.bqual !== bqual || branch.status.kind === 'damaged');
    if (others && !isExpired) {
      return result;
    }
    if (recordedOutcome(logged, log.history(gtrid)) !== undefined) {
      return { kind: 'done' }; // Its damage was recorded, and forgotten by an operator: that is no news, and nothing else either (D5).
    }
    this.#parts.logger.warn({ evt: 'one-phase-commit-found', txn: gtrid, branch: bqual, message: result.proof });
    this.#parts.driver.registry.outcomes.noteProof(gtrid, bqual, 'committed');
    return { kind: 'done' };
  }

  /** The end of a branch whose transaction an operator has settled by his word, and forgotten: people hear it if the word was wrong. */
  checkWord(gtrid: Gtrid, { bqual, verb, result }: BranchResultEvent): void {
    const { log, logger } = this.#parts;
    const isEnd = verb === 'commit' && (result.kind === 'done' || result.kind === 'done-otherwise');
    if (!isEnd || gtridParts(gtrid).identity !== log.recovered.identity) {
      return;
    }
    const disproved = result.kind === 'done' ? 'branch-rolled-back' : 'branch-committed';
    const word = log
      .history(gtrid)
      .find((record) => record.kind === 'operator-action' && record.bqual === bqual && record.action === disproved);
    if (word !== undefined) {
      const end = result.kind === 'done' ? 'it is committed' : result.proof;
      const message = `an operator vouched for its end (${disproved}) and has forgotten it, but ${end}`;
      logger.error({ evt: 'branch-alarm', txn: gtrid, branch: bqual, message });
    }
  }

  #unknown(gtrid: Gtrid, event: BranchEvent, resource: ResourceName): void {
    const { driver, log, leases } = this.#parts;
    const { identity, epoch } = gtridParts(gtrid);
    if (identity !== log.recovered.identity) {
      return; // Somebody else's transaction: not touched, whatever state it is in (D8).
    }
    if (epoch > log.recovered.epoch) {
      const why = 'the branch is of a newer epoch than this log knows: the log is an old copy, or the wrong one';
      this.#quarantine(gtrid, event, resource, why);
      return;
    }
    const owner = leases.ownerOf(gtrid);
    // A transaction that was begun and is not held any more is over, however long ago: a late word never begins it again (D9).
    // Nor does it begin one whose Begin was refused: its client was told that there is nothing (D5).
    const isNew = owner !== undefined && !leases.wasBegun(gtrid) && !leases.wasRefused(gtrid);
    if (isNew && this.#parts.mayBegin(owner)) {
      // The report overtook its Begin, which comes on the client's own stream. If it never comes, the deadline ends what was reported:
      // a branch that was found prepared, too, may have no other word left that would be heard (D12).
      const timeoutMs = this.#parts.defaultTimeoutMs;
      leases.begin(gtrid);
      driver.apply(driver.admit(gtrid, openTransaction(gtrid), { owner, timeoutMs }), event);
      return;
    }
    if (event.kind === 'branch-opened' && epoch < log.recovered.epoch) {
      // What an earlier life left at work goes. Nothing is concluded of its transaction: it may have been told to commit in one phase.
      this.#rollBackOnly(gtrid, event, resource);
      return;
    }
    if (event.kind === 'vote' && event.vote.kind !== 'prepared') {
      return; // The branch has ended by itself; there is nothing to roll back.
    }
    if (driver.registry.unreadable.has(gtrid)) {
      return; // What was decided cannot be read, so that its branches follow nothing.
    }
    const logged = log.outcome(gtrid);
    const remembered = driver.registry.outcomes.outcome(gtrid);
    if (logged.kind === 'decided') {
      driver.applyOnce(gtrid, decidedLongAgo(logged.record), event);
    } else if (epoch <= (log.recovered.lostTo ?? -1) && this.#parts.lost.wordOn(gtrid) !== 'rollback') {
      // It may have been decided, in records that this log has not. What becomes of it is known elsewhere, if at all (D7).
      const why =
        'the branch is of a life of which decisions may be missing: the log was restored. Next: look what its other databases show, then concordat tx resolve';
      this.#quarantine(gtrid, event, resource, why);
    } else if (remembered === undefined || remembered === 'rolled-back') {
      this.#rollBack(gtrid, event);
    } else {
      // Ended long ago without a record, in one phase: what turns up now is something else, and the outcome stays what was told.
      this.#rollBackOnly(gtrid, event, resource);
    }
  }

  /** No transaction waits for it. A participant that tells of more and answers nothing is not kept in mind of all of them. */
  #rollBackOnly(gtrid: Gtrid, event: BranchEvent, resource: ResourceName): void {
    const { calls, registry } = this.#parts.driver;
    if (calls.sizeOf(resource) < registry.liveCount + ORPHANS_MAX) {
      calls.start(gtrid, rollbackOf(event));
    }
  }

  /** No decision names it: presumed abort, sound because nothing leaves the log before its branches are accounted for (D7). */
  #rollBack(gtrid: Gtrid, event: BranchEvent): void {
    if (this.#parts.driver.registry.orphanCount >= ORPHANS_MAX) {
      return; // It stays prepared, and is told of again with the next reconciliation: a participant's list is no limit of our memory.
    }
    const { state, effects } = orphan(gtrid, event.bqual, event.instance, evidenceOf(event));
    const { leases, driver, log, logger } = this.#parts;
    if (log.outcome(gtrid).kind === 'expired' && driver.registry.outcomes.outcome(gtrid) === undefined) {
      const message =
        'it is prepared, and its transaction is older than the retained outcomes: it was left unfinished, and is rolled back. If its database was put back to an earlier state, the transaction may have been committed: look at its other databases';
      logger.warn({ evt: 'orphan-expired', txn: gtrid, branch: event.bqual, message });
    } else {
      logger.info({ evt: 'orphan-branch', txn: gtrid, branch: event.bqual });
    }
    const neverBegun = leases.mayHaveBegun(gtrid) && driver.registry.outcomes.isComplete;
    driver.admit(gtrid, state, { effects, presumed: true, neverBegun });
  }

  /**
   * Of a transaction whose decision this log has lost a person has said that it is committed: a branch that turns up later, and that the
   * record of the word could not name, follows it.
   */
  #followsWord(gtrid: Gtrid, event: BranchEvent): boolean {
    const { driver, log, lost } = this.#parts;
    const isPrepared = event.kind === 'branch-found' || (event.kind === 'vote' && event.vote.kind === 'prepared');
    if (!isPrepared || lost.wordOn(gtrid) !== 'commit') {
      return false;
    }
    const logged = log.outcome(gtrid);
    if (logged.kind === 'decided' && logged.record.branches.some(({ bqual }) => bqual === event.bqual)) {
      return false;
    }
    const { bqual, instance } = event;
    driver.calls.start(gtrid, { kind: 'finish', verb: 'commit', bqual, instance, evidence: evidenceOf(event) });
    return true;
  }

  #quarantine(gtrid: Gtrid, event: BranchEvent, resource: ResourceName, why: string): void {
    const { bqual, instance } = event;
    this.#parts.quarantine.add({ gtrid, bqual, resource, instance, evidence: evidenceOf(event) }, why);
  }
}

function rollbackOf(event: BranchEvent): Extract<Effect, { kind: 'finish' }> {
  const { bqual, instance } = event;
  return { kind: 'finish', verb: 'rollback', bqual, instance, evidence: evidenceOf(event) };
}
