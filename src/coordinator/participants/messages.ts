// Messages of participants, decoded once: what they tell of branches becomes events; what is malformed is refused.
import type { BranchProof__Output as WireProof } from '../../gen/concordat/v1/BranchProof.ts';
import type { BranchResult__Output as WireResult } from '../../gen/concordat/v1/BranchResult.ts';
import type { Evidence__Output as WireEvidence } from '../../gen/concordat/v1/Evidence.ts';
import type { FinishResult__Output as WireFinishResult } from '../../gen/concordat/v1/FinishResult.ts';
import type {
  FinishVerb as WireVerb,
  FinishVerb__Output as WireVerb__Output,
} from '../../gen/concordat/v1/FinishVerb.ts';
import type { Reason__Output as WireReason } from '../../gen/concordat/v1/Reason.ts';
import type { Vote__Output as WireVote } from '../../gen/concordat/v1/Vote.ts';
import { unreachable } from '../../lib/assert.ts';
import { fromEnum } from '../../wire/enums.ts';
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

const VOTES = {
  VOTE_UNSPECIFIED: undefined,
  VOTE_PREPARED: 'prepared',
  VOTE_READ_ONLY: 'read-only',
  VOTE_ROLLBACK: 'rollback',
} as const satisfies Record<WireVote, Vote['kind'] | undefined>;

export function decodeVote(
  vote: string | number,
  evidence: WireEvidence | null,
  reason: WireReason | null | undefined,
  bqual: Bqual,
): Vote {
  const kind = fromEnum<Vote['kind']>(VOTES, vote);
  switch (kind) {
    case 'prepared':
      return { kind, evidence: decodeEvidence(evidence) };
    case 'read-only':
      return { kind };
    case 'rollback':
      return { kind, reason: decodeReason(reason, bqual) };
    case undefined:
      // D3: a vote that this version does not understand is not a yes.
      throw invalid('vote', 'must be PREPARED, READ_ONLY or ROLLBACK');
    default:
      return unreachable(kind);
  }
}

const VERBS = {
  FINISH_VERB_UNSPECIFIED: undefined,
  FINISH_VERB_COMMIT: 'commit',
  FINISH_VERB_ROLLBACK: 'rollback',
  FINISH_VERB_COMMIT_ONE_PHASE: 'commit-one-phase',
} as const satisfies Record<WireVerb__Output, Verb | undefined>;

export function decodeVerb(value: string | number): Verb {
  const verb = fromEnum<Verb>(VERBS, value);
  if (verb === undefined) {
    throw invalid('verb', 'must be COMMIT, ROLLBACK or COMMIT_ONE_PHASE');
  }
  return verb;
}

const RESULTS = {
  FINISH_RESULT_UNSPECIFIED: 'unknown',
  FINISH_RESULT_DONE: 'done',
  FINISH_RESULT_DONE_OTHERWISE: 'done-otherwise',
  FINISH_RESULT_NOT_YET: 'not-yet',
  FINISH_RESULT_UNKNOWN: 'unknown',
  FINISH_RESULT_UNPROVEN: 'unproven',
} as const satisfies Record<WireFinishResult, FinishResult['kind']>;

/** An answer that this version does not understand is `unknown`: asked again, nothing concluded. */
export function decodeResult(wire: WireResult, bqual: Bqual): FinishResult {
  const kind = fromEnum<FinishResult['kind']>(RESULTS, wire.result) ?? 'unknown';
  switch (kind) {
    case 'done':
      return { kind };
    case 'done-otherwise':
      return { kind, proof: escaped(wire.reason?.message ?? '') || 'its engine proved the other end' };
    case 'not-yet':
    case 'unproven':
    case 'unknown':
      return { kind, reason: decodeReason(wire.reason, bqual) };
    default:
      return unreachable(kind);
  }
}

const PROOFS = {
  BRANCH_PROOF_UNSPECIFIED: 'unproven',
  BRANCH_PROOF_ACTIVE: 'active',
  BRANCH_PROOF_PREPARED: 'prepared',
  BRANCH_PROOF_COMMITTED: 'committed',
  BRANCH_PROOF_ROLLED_BACK: 'rolled-back',
  BRANCH_PROOF_UNPROVEN: 'unproven',
} as const satisfies Record<WireProof, BranchProof>;

/** A proof that this version does not understand proves nothing. */
export function decodeProof(proof: string | number): BranchProof {
  return fromEnum<BranchProof>(PROOFS, proof) ?? 'unproven';
}

export const WIRE_VERB = {
  commit: 'FINISH_VERB_COMMIT',
  rollback: 'FINISH_VERB_ROLLBACK',
  'commit-one-phase': 'FINISH_VERB_COMMIT_ONE_PHASE',
} as const satisfies Record<Verb, WireVerb>;
