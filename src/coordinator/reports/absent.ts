// What becomes of what participants tell of transactions that are not held: overtaken Begins, orphans of an earlier life, late messages,
// rows that are left. What to conclude is in engine/absent.ts; here the facts are gathered, and what is concluded is carried out.
import type { EventLogger } from '../../lib/logger.ts';
import type { Log } from '../../log/log.ts';
import { parseRow } from '../../xa/evidence.ts';
import { BRANCHES_PER_MESSAGE_MAX, ORPHANS_MAX } from '../../xa/limits.ts';
import { type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { Calls } from '../calls/calls.ts';
import type { EvidenceRows } from '../calls/evidence-rows.ts';
import type { Driver } from '../driver/driver.ts';
import type { Leases } from '../driver/leases.ts';
import type { Registry } from '../driver/registry.ts';
import { logFacts, TracesOf } from '../driver/traces.ts';
import type { Holder } from '../driver/transaction.ts';
import { disprovedWord, followsWord, judgeAnswer, judgeReport, type ReportConclusion } from '../engine/absent.ts';
import type { CallAnswer, Effect } from '../engine/event.ts';
import { isOfLostLife } from '../engine/recovered.ts';
import { type BranchReport, evidenceOf } from '../engine/reports.ts';
import { openTransaction, type State } from '../engine/state.ts';
import type { Quarantine } from './quarantine.ts';

interface AbsentParts {
  readonly driver: Driver;
  readonly calls: Calls;
  readonly evidence: EvidenceRows;
  readonly transactions: Registry;
  readonly leases: Leases;
  readonly log: Log;
  readonly logger: EventLogger;
  readonly quarantine: Quarantine;
  readonly defaultTimeoutMs: number;
  /** Whether a transaction may still be begun: not while draining, not beyond the limits. */
  readonly mayBegin: (holder: Holder) => boolean;
}

export class AbsentTransactions {
  readonly #parts: AbsentParts;

  constructor(parts: AbsentParts) {
    this.#parts = parts;
  }

  /** A branch of a lost decision that a person's word has made committed is told so, whatever is held of its transaction. */
  followsWord(gtrid: Gtrid, report: BranchReport): boolean {
    const { log } = this.#parts;
    if (!isOfLostLife(gtrid, logFacts(log))) {
      return false;
    }
    const told = followsWord(gtrid, report, this.#traces(gtrid));
    this.#tellOnce(gtrid, told?.effects ?? []);
    return told !== undefined;
  }

  /** A report of a branch whose transaction is not held. */
  reported(gtrid: Gtrid, report: BranchReport, resource: ResourceName): void {
    const { leases, mayBegin } = this.#parts;
    const owner = leases.mayBeginYet(gtrid) ? leases.ownerOf(gtrid) : undefined;
    const facts = Object.assign(this.#traces(gtrid), {
      mayBegin: owner !== undefined && mayBegin(owner),
      mayHaveBegun: leases.mayHaveBegun(gtrid),
    });
    this.#carryOut(gtrid, judgeReport(gtrid, report, facts), report, resource);
  }

  /** What a transaction that was only taken in for a prepared branch hears of an answer; undefined: nothing. */
  withoutFalseDamage(gtrid: Gtrid, state: State, answer: CallAnswer): CallAnswer | undefined {
    const { transactions, logger } = this.#parts;
    const { bqual, verb, result } = answer;
    const conclusion = judgeAnswer(state, answer, this.#traces(gtrid));
    if (conclusion === 'as-told') {
      return answer;
    }
    if (conclusion === 'one-phase-commit') {
      const proof =
        result.kind === 'done-otherwise' ? result.proof : 'its participant has answered that it was committed';
      logger.warn({ evt: 'one-phase-commit-found', txn: gtrid, branch: bqual, message: proof });
      transactions.noteProof(gtrid, bqual, 'committed');
    }
    // What is committed was not found prepared: that is another opening, which is being rolled back.
    return verb === 'commit-one-phase' ? undefined : { ...answer, result: { kind: 'done' } };
  }

  /** An answer to a call of a transaction that is not held any more. */
  answered(gtrid: Gtrid, answer: CallAnswer): void {
    const message = disprovedWord(gtrid, answer, this.#traces(gtrid));
    if (message !== undefined) {
      this.#parts.logger.error({ evt: 'branch-alarm', txn: gtrid, branch: answer.bqual, message });
    }
  }

  /** One sweep's rows, as `gtrid:bqual:opening`; what is not in the grammar, or of another log, is left alone (D8). */
  swept(resource: ResourceName, texts: readonly string[]): void {
    for (const text of texts.slice(0, BRANCHES_PER_MESSAGE_MAX)) {
      const row = parseRow(text);
      if (row !== undefined && resourceOf(row.bqual) === resource) {
        this.#parts.evidence.seen(row);
      }
    }
  }

  #carryOut(gtrid: Gtrid, conclusion: ReportConclusion, report: BranchReport, resource: ResourceName): void {
    const { driver, leases, quarantine, defaultTimeoutMs } = this.#parts;
    switch (conclusion.kind) {
      case 'nothing':
        break;
      case 'begins': {
        // If its Begin never comes, the deadline ends what was reported: a branch that was found prepared, too, may have no other word
        // left that would be heard (D12).
        leases.begin(gtrid);
        const options = { owner: leases.ownerOf(gtrid), timeoutMs: defaultTimeoutMs };
        driver.apply(driver.admit(gtrid, openTransaction(gtrid), options), report);
        break;
      }
      case 'kept': {
        const { bqual, instance } = report;
        quarantine.add({ gtrid, bqual, resource, instance, evidence: evidenceOf(report) }, conclusion.why);
        break;
      }
      case 'told':
        this.#tellOnce(gtrid, conclusion.effects);
        break;
      case 'orphan':
        this.#takeIn(gtrid, conclusion, report);
        break;
    }
  }

  /** No transaction waits for it. A participant that tells of more and answers nothing is not kept in mind of all of it. */
  #tellOnce(gtrid: Gtrid, effects: readonly Effect[]): void {
    const { calls, transactions } = this.#parts;
    for (const effect of effects) {
      if (effect.kind === 'finish' && calls.sizeOf(resourceOf(effect.bqual)) < transactions.liveCount + ORPHANS_MAX) {
        calls.start(gtrid, effect);
      }
    }
  }

  #takeIn(
    gtrid: Gtrid,
    { step: { state, effects }, isExpired }: Extract<ReportConclusion, { kind: 'orphan' }>,
    { bqual }: BranchReport,
  ): void {
    const { driver, transactions, logger } = this.#parts;
    if (transactions.orphanCount >= ORPHANS_MAX) {
      return; // It stays prepared, and is told of again with the next reconciliation: a participant's list is no limit of our memory.
    }
    if (isExpired) {
      const message =
        'it is prepared, and its transaction is older than the retained outcomes: it was left unfinished, and is rolled back. If its database was put back to an earlier state, the transaction may have been committed: look at its other databases';
      logger.warn({ evt: 'orphan-expired', txn: gtrid, branch: bqual, message });
    } else {
      logger.info({ evt: 'orphan-branch', txn: gtrid, branch: bqual });
    }
    driver.admit(gtrid, state, { effects });
  }

  #traces(gtrid: Gtrid): TracesOf {
    const { log, transactions } = this.#parts;
    return new TracesOf(gtrid, log, transactions);
  }
}
