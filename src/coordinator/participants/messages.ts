// Messages of participants, decoded once: what they tell of branches becomes events; what is malformed is refused.
import type { BranchResult__Output as WireResult } from '../../gen/concordat/v1/BranchResult.ts';
import type { Evidence__Output as WireEvidence } from '../../gen/concordat/v1/Evidence.ts';
import type { FinishVerb as WireVerb } from '../../gen/concordat/v1/FinishVerb.ts';
import type { Reason__Output as WireReason } from '../../gen/concordat/v1/Reason.ts';
import { fromWireEvidence } from '../../wire/evidence.ts';
import { OPENING_LENGTH } from '../../xa/evidence.ts';
import type { BranchProof, Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import type { Bqual } from '../../xa/xid.ts';
import { escaped, invalid } from '../edge/requests.ts';
import type { Verb } from '../engine/event.ts';

/** @throws {CoordinatorError} FIELD_INVALID */
export function decodeEvidence(wire: WireEvidence | null): Evidence {
  const evidence = fromWireEvidence(wire);
  if (evidence === undefined) {
    throw invalid(
      'evidence',
      `must be a row or an opening, each of ${OPENING_LENGTH} characters of [a-z2-7], or absent`,
    );
  }
  return evidence;
}

function decodeReason(reason: WireReason | null | undefined, bqual: Bqual): Reason {
  if (reason === null || reason === undefined) {
    return { code: 'BRANCH_VOTED_NO', message: `${bqual}: its participant gave no reason`, bqual, retryable: true };
  }
  return {
    code: escaped(reason.code) || 'BRANCH_VOTED_NO',
    message: `${bqual}: ${escaped(reason.message)}`,
    bqual,
    ...(reason.sqlstate !== '' && { sqlstate: escaped(reason.sqlstate, 5) }),
    ...(reason.errno !== 0 && { errno: reason.errno }),
    retryable: reason.retryable,
  };
}

/** What a sidecar says of its database with each heartbeat; undefined: it answers. */
export function decodeTrouble(reason: WireReason | null | undefined): Reason | undefined {
  if (reason === null || reason === undefined || (reason.code === '' && reason.message === '')) {
    return undefined;
  }
  return {
    code: escaped(reason.code) || 'ENGINE_UNAVAILABLE',
    message: escaped(reason.message),
    ...(reason.sqlstate !== '' && { sqlstate: escaped(reason.sqlstate, 5) }),
    ...(reason.errno !== 0 && { errno: reason.errno }),
    retryable: reason.retryable,
  };
}

export function decodeVote(
  vote: string | number,
  evidence: WireEvidence | null,
  reason: WireReason | null | undefined,
  bqual: Bqual,
): Vote {
  switch (vote) {
    case 'VOTE_PREPARED':
      return { kind: 'prepared', evidence: decodeEvidence(evidence) };
    case 'VOTE_READ_ONLY':
      return { kind: 'read-only' };
    case 'VOTE_ROLLBACK':
      return { kind: 'rollback', reason: decodeReason(reason, bqual) };
    default:
      // D3: a vote that this version does not understand is not a yes.
      throw invalid('vote', 'must be PREPARED, READ_ONLY or ROLLBACK');
  }
}

export function decodeVerb(verb: string | number): Verb {
  switch (verb) {
    case 'FINISH_VERB_COMMIT':
      return 'commit';
    case 'FINISH_VERB_ROLLBACK':
      return 'rollback';
    case 'FINISH_VERB_COMMIT_ONE_PHASE':
      return 'commit-one-phase';
    default:
      throw invalid('verb', 'must be COMMIT, ROLLBACK or COMMIT_ONE_PHASE');
  }
}

/** An answer that this version does not understand is `unknown`: asked again, nothing concluded. */
export function decodeResult(wire: WireResult, bqual: Bqual): FinishResult {
  switch (wire.result) {
    case 'FINISH_RESULT_DONE':
      return { kind: 'done' };
    case 'FINISH_RESULT_DONE_OTHERWISE':
      return {
        kind: 'done-otherwise',
        proof: escaped(wire.reason?.message ?? '') || 'its engine proved the other end',
      };
    case 'FINISH_RESULT_NOT_YET':
      return { kind: 'not-yet', reason: decodeReason(wire.reason, bqual) };
    case 'FINISH_RESULT_UNPROVEN':
      return { kind: 'unproven', reason: decodeReason(wire.reason, bqual) };
    default:
      return { kind: 'unknown', reason: decodeReason(wire.reason, bqual) };
  }
}

export function decodeProof(proof: string | number): BranchProof {
  switch (proof) {
    case 'BRANCH_PROOF_ACTIVE':
      return 'active';
    case 'BRANCH_PROOF_PREPARED':
      return 'prepared';
    case 'BRANCH_PROOF_COMMITTED':
      return 'committed';
    case 'BRANCH_PROOF_ROLLED_BACK':
      return 'rolled-back';
    default:
      return 'unproven';
  }
}

export const WIRE_VERB = {
  commit: 'FINISH_VERB_COMMIT',
  rollback: 'FINISH_VERB_ROLLBACK',
  'commit-one-phase': 'FINISH_VERB_COMMIT_ONE_PHASE',
} as const satisfies Record<Verb, WireVerb>;
