// What a participant says on the attach stream.
import type { FinishResult as WireResult } from '../../gen/concordat/v1/FinishResult.ts';
import type { FinishVerb as WireVerb } from '../../gen/concordat/v1/FinishVerb.ts';
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { Reason as WireReason } from '../../gen/concordat/v1/Reason.ts';
import type { Vote as WireVote } from '../../gen/concordat/v1/Vote.ts';
import { toWireEvidence } from '../../wire/evidence.ts';
import type { EvidenceRow } from '../../xa/evidence.ts';
import { REASON_CHARS_MAX } from '../../xa/limits.ts';
import type { Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import type { Xid } from '../../xa/xid.ts';
import type { Answer, CallName, FinishVerb } from '../engine/call.ts';

const WIRE_VERBS = {
  commit: 'FINISH_VERB_COMMIT',
  rollback: 'FINISH_VERB_ROLLBACK',
  'commit-one-phase': 'FINISH_VERB_COMMIT_ONE_PHASE',
} as const satisfies Record<FinishVerb, WireVerb>;

const WIRE_RESULTS = {
  done: 'FINISH_RESULT_DONE',
  'done-otherwise': 'FINISH_RESULT_DONE_OTHERWISE',
  'not-yet': 'FINISH_RESULT_NOT_YET',
  unknown: 'FINISH_RESULT_UNKNOWN',
  unproven: 'FINISH_RESULT_UNPROVEN',
} as const satisfies Record<FinishResult['kind'], WireResult>;

export const WIRE_VOTES = {
  prepared: 'VOTE_PREPARED',
  'read-only': 'VOTE_READ_ONLY',
  rollback: 'VOTE_ROLLBACK',
} as const satisfies Record<Vote['kind'], WireVote>;

export function openedMessage({ gtrid, bqual, opening }: EvidenceRow): ParticipantMessage {
  return { opened: { gtrid, bqual, evidence: { opening } } };
}

export function voteMessage(xid: Xid, vote: Vote): ParticipantMessage {
  return {
    vote: {
      gtrid: xid.gtrid,
      bqual: xid.bqual,
      vote: WIRE_VOTES[vote.kind],
      evidence: vote.kind === 'prepared' ? toWireEvidence(vote.evidence) : null,
      reason: vote.kind === 'rollback' ? toWireReason(vote.reason) : null,
    },
  };
}

/** The answer to a command to finish a branch. */
export function answerMessage(xid: Xid, { verb, evidence }: CallName, answer: Answer): ParticipantMessage {
  switch (answer.kind) {
    case 'has-written':
      return { onePhaseEvidence: { gtrid: xid.gtrid, bqual: xid.bqual, evidence: toWireEvidence(answer.evidence) } };
    case 'rollback':
      return voteMessage(xid, answer);
    default:
      return resultMessage(xid, verb, evidence, answer);
  }
}

/** `evidence` as the command had it. An end the other way carries the engine's proof as its reason. */
export function resultMessage(
  xid: Xid,
  verb: FinishVerb,
  evidence: Evidence,
  result: FinishResult,
): ParticipantMessage {
  return {
    result: {
      gtrid: xid.gtrid,
      bqual: xid.bqual,
      verb: WIRE_VERBS[verb],
      result: WIRE_RESULTS[result.kind],
      evidence: toWireEvidence(evidence),
      reason: reasonOfResult(result),
    },
  };
}

function reasonOfResult(result: FinishResult): WireReason | null {
  switch (result.kind) {
    case 'done':
      return null;
    case 'done-otherwise':
      return toWireReason({ code: 'BRANCH_VOTED_NO', message: result.proof, retryable: true });
    default:
      return toWireReason(result.reason);
  }
}

/** What a heartbeat says of the engine. */
export function heartbeatMessage(trouble: Reason | undefined): ParticipantMessage {
  return { heartbeat: { trouble: trouble === undefined ? null : toWireReason(trouble) } };
}

export function toWireReason(reason: Reason): WireReason {
  return {
    code: reason.code,
    message: reason.message.slice(0, REASON_CHARS_MAX),
    sqlstate: reason.sqlstate ?? '',
    errno: reason.errno ?? 0,
    retryable: reason.retryable,
  };
}

/** About how many bytes a report takes on the wire, so that a frame of long lists stays below the coordinator's limit. */
export function reportBytes(message: ParticipantMessage): number {
  const items =
    (message.reconcile?.branches?.length ?? 0) +
    (message.reconcile?.markers?.length ?? 0) +
    (message.hello?.held?.length ?? 0);
  const scanned = message.scanResult?.branches?.length ?? 0;
  const said = message.vote?.reason?.message?.length ?? message.result?.reason?.message?.length ?? 0;
  return 250 + said * 4 + items * 350 + scanned * 700;
}
