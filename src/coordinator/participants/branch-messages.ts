// What an attached participant tells of branches: each message becomes an event of its transaction.
import type { HeldBranch__Output as HeldBranch } from '../../gen/concordat/v1/HeldBranch.ts';
import type { ParticipantMessage__Output as ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import { failpoint } from '../../lib/failpoint.ts';
import type { Logger } from '../../lib/logger.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { type Bqual, type Gtrid, resourceOf } from '../../xa/xid.ts';
import type { Link } from '../calls/directory.ts';
import type { Driver } from '../driver/driver.ts';
import type { Transaction } from '../driver/transaction.ts';
import { decodeBqual, decodeGtrid } from '../edge/requests.ts';
import type { Event } from '../engine/event.ts';
import { decodeLogs } from '../identity/known-logs.ts';
import type { OtherLogs } from '../identity/other-logs.ts';
import type { Markers } from '../reports/markers.ts';
import type { Strays } from '../reports/reports.ts';
import { decodeEvidence, decodeResult, decodeVerb, decodeVote } from './messages.ts';
import type { PendingAnswers } from './pending-answers.ts';

type BranchResultEvent = Extract<Event, { kind: 'branch-result' }>;

interface BranchMessageParts {
  readonly driver: Driver;
  readonly strays: Strays;
  readonly markers: Markers;
  readonly logger: Logger;
  readonly others: OtherLogs;
}

/** @throws {CoordinatorError} FIELD_INVALID, NOT_OWNER: the participant cannot be trusted and is refused. */
export function receiveHeld({ strays }: BranchMessageParts, held: HeldBranch, link: Link): void {
  const { instance, resource } = link;
  const [gtrid, bqual] = branchOf(held, link);
  if (held.vote === 'VOTE_UNSPECIFIED') {
    const evidence = decodeEvidence(held.evidence);
    strays.deliver(gtrid, { kind: 'branch-opened', bqual, instance, evidence }, resource);
  } else {
    const vote = decodeVote(held.vote, held.evidence, null, bqual);
    strays.deliver(gtrid, { kind: 'vote', bqual, instance, vote }, resource);
  }
}

/** @throws {CoordinatorError} as `receiveHeld`. */
export function receiveBranchMessage(
  parts: BranchMessageParts & { readonly answers: PendingAnswers },
  message: ParticipantMessage,
  link: Link,
): void {
  const { driver, strays, markers, others, answers } = parts;
  const { instance, resource } = link;
  if (message.opened) {
    const [gtrid, bqual] = branchOf(message.opened, link);
    const evidence = decodeEvidence(message.opened.evidence);
    strays.deliver(gtrid, { kind: 'branch-opened', bqual, instance, evidence }, resource);
  } else if (message.vote) {
    const [gtrid, bqual] = branchOf(message.vote, link);
    const vote = decodeVote(message.vote.vote, message.vote.evidence, message.vote.reason, bqual);
    driver.calls.drop(gtrid, bqual, 'prepare');
    strays.deliver(gtrid, { kind: 'vote', bqual, instance, vote }, resource);
  } else if (message.result) {
    const [gtrid, bqual] = branchOf(message.result, link);
    const verb = decodeVerb(message.result.verb);
    const evidence = decodeEvidence(message.result.evidence);
    const result = decodeResult(message.result, bqual);
    receiveResult(parts, gtrid, { kind: 'branch-result', bqual, verb, evidence, result }, link);
  } else if (message.onePhaseEvidence) {
    const [gtrid, bqual] = branchOf(message.onePhaseEvidence, link);
    const evidence = decodeEvidence(message.onePhaseEvidence.evidence);
    const transaction = driver.registry.live(gtrid);
    if (transaction === undefined) {
      // Its transaction is over, or of an earlier life: what waits there is as good as a branch that was only opened.
      strays.deliver(gtrid, { kind: 'branch-opened', bqual, instance, evidence }, resource);
    } else {
      driver.apply(transaction, { kind: 'one-phase-evidence', bqual, instance, evidence });
    }
  } else if (message.reconcile) {
    for (const found of message.reconcile.branches) {
      const [gtrid, bqual] = branchOf(found, link);
      const evidence = decodeEvidence(found.evidence);
      strays.deliver(gtrid, { kind: 'branch-found', bqual, instance, evidence }, resource);
    }
    strays.listed(resource);
    if (message.reconcile.others.length > 0) {
      others.heard(resource, decodeLogs(message.reconcile.others));
    }
    markers.swept(resource, message.reconcile.markers);
  } else if (message.scanResult) {
    answers.settle(message.scanResult.id, message.scanResult, message.scanResult.error);
  } else if (message.tokenResult) {
    answers.settle(message.tokenResult.id, message.tokenResult, null);
  } else if (message.probeResult) {
    answers.settle(message.probeResult.id, message.probeResult, message.probeResult.error);
  }
}

/** An answer counts from whoever was asked for it. Anybody else's is told to people if it would have changed anything (X7). */
function receiveResult(parts: BranchMessageParts, gtrid: Gtrid, event: BranchResultEvent, link: Link): void {
  const { driver, strays, markers, logger } = parts;
  const { bqual, verb, result } = event;
  const isAsked = driver.calls.answeredBy(link.instance, gtrid, event);
  const transaction = driver.registry.find(gtrid);
  if (!isAsked && !isOwnDamage(transaction, event, link)) {
    if (transaction !== undefined && driver.matters(transaction, event)) {
      const { resource, instance } = link;
      const message = `ignored: instance ${instance} of ${resource} answered ${result.kind} to a ${verb} that it was not asked for`;
      logger.error({ evt: 'unasked-result', txn: gtrid, branch: bqual, resource, instance, message });
    }
    return;
  }
  driver.unreached.answered(gtrid, bqual, result);
  if (verb === 'commit') {
    failpoint('first-commit-acknowledged');
  }
  if (transaction === undefined) {
    strays.checkWord(gtrid, event);
    return;
  }
  driver.apply(transaction, { ...event, result: strays.judged(transaction, event) });
  if (verb === 'commit-one-phase') {
    markers.answered(transaction);
  }
}

/** The holder of a branch of a rolled-back transaction says that it was committed: nobody asks for such a thing, and it is to be heard. */
function isOwnDamage(
  transaction: Transaction | undefined,
  { bqual, verb, result }: BranchResultEvent,
  link: Link,
): boolean {
  const state = transaction?.state;
  return (
    verb !== 'rollback' &&
    result.kind === 'done' &&
    (state?.kind === 'rolling-back' || (state?.kind === 'completed' && state.decision === 'rollback')) &&
    state.branches.some((branch) => branch.bqual === bqual && branch.instance === link.instance)
  );
}

function branchOf(message: { readonly gtrid: string; readonly bqual: string }, link: Link): [Gtrid, Bqual] {
  return [decodeGtrid(message.gtrid), ownBqual(message.bqual, link)];
}

/** A participant speaks for the branches of its own resource and for no others (faults B44). */
function ownBqual(text: string, link: Link): Bqual {
  const bqual = decodeBqual(text);
  if (resourceOf(bqual) !== link.resource) {
    throw new CoordinatorError('NOT_OWNER', `the participant of ${link.resource} spoke for branch ${bqual}`);
  }
  return bqual;
}
