// What an attached participant tells of branches, decoded: each message becomes an event.
import type { HeldBranch__Output as HeldBranch } from '../../gen/concordat/v1/HeldBranch.ts';
import type { ParticipantMessage__Output as ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { type Bqual, type Gtrid, resourceOf } from '../../xa/xid.ts';
import type { Link } from '../calls/directory.ts';
import { decodeBqual, decodeGtrid } from '../edge/requests.ts';
import { decodeLogs } from '../identity/known-logs.ts';
import type { OtherLogs } from '../identity/other-logs.ts';
import type { Reports } from '../reports/reports.ts';
import { decodeEvidence, decodeResult, decodeVerb, decodeVote } from './messages.ts';
import type { PendingAnswers } from './pending-answers.ts';

interface BranchMessageParts {
  readonly reports: Reports;
  readonly others: OtherLogs;
}

/** @throws {CoordinatorError} FIELD_INVALID, NOT_OWNER: the participant cannot be trusted and is refused. */
export function receiveHeld({ reports }: BranchMessageParts, held: HeldBranch, link: Link): void {
  const { instance } = link;
  const [gtrid, bqual] = branchOf(held, link);
  if (held.vote === 'VOTE_UNSPECIFIED') {
    const evidence = decodeEvidence(held.evidence);
    reports.heard(gtrid, { kind: 'branch-opened', bqual, instance, evidence }, link);
  } else {
    const vote = decodeVote(held.vote, held.evidence, null, bqual);
    reports.heard(gtrid, { kind: 'vote', bqual, instance, vote }, link);
  }
}

/** @throws {CoordinatorError} as `receiveHeld`. */
export function receiveBranchMessage(
  parts: BranchMessageParts & { readonly answers: PendingAnswers },
  message: ParticipantMessage,
  link: Link,
): void {
  const { reports, others, answers } = parts;
  const { instance, resource } = link;
  if (message.opened) {
    const [gtrid, bqual] = branchOf(message.opened, link);
    const evidence = decodeEvidence(message.opened.evidence);
    reports.heard(gtrid, { kind: 'branch-opened', bqual, instance, evidence }, link);
  } else if (message.vote) {
    const [gtrid, bqual] = branchOf(message.vote, link);
    const vote = decodeVote(message.vote.vote, message.vote.evidence, message.vote.reason, bqual);
    reports.heard(gtrid, { kind: 'vote', bqual, instance, vote }, link);
  } else if (message.result) {
    const [gtrid, bqual] = branchOf(message.result, link);
    const verb = decodeVerb(message.result.verb);
    const evidence = decodeEvidence(message.result.evidence);
    const result = decodeResult(message.result, bqual);
    reports.heard(gtrid, { kind: 'branch-result', bqual, verb, evidence, result }, link);
  } else if (message.onePhaseEvidence) {
    const [gtrid, bqual] = branchOf(message.onePhaseEvidence, link);
    const evidence = decodeEvidence(message.onePhaseEvidence.evidence);
    reports.heard(gtrid, { kind: 'one-phase-evidence', bqual, instance, evidence }, link);
  } else if (message.reconcile) {
    for (const found of message.reconcile.branches) {
      const [gtrid, bqual] = branchOf(found, link);
      const evidence = decodeEvidence(found.evidence);
      reports.heard(gtrid, { kind: 'branch-found', bqual, instance, evidence }, link);
    }
    reports.listed(resource, message.reconcile.markers);
    if (message.reconcile.others.length > 0) {
      others.heard(resource, decodeLogs(message.reconcile.others));
    }
  } else if (message.scanResult) {
    answers.settle(message.scanResult.id, message.scanResult, message.scanResult.error);
  } else if (message.tokenResult) {
    answers.settle(message.tokenResult.id, message.tokenResult, null);
  } else if (message.probeResult) {
    answers.settle(message.probeResult.id, message.probeResult, message.probeResult.error);
  }
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
