// What contradicts: an engine's proof against the decision, or against an operator's word, and words of participants that do not fit what
// they said before. Damage is recorded, and people hear of all of it (D4).
import { formatEvidence, isSameEvidence } from '../../xa/evidence.ts';
import type { FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../xa/xid.ts';
import type { Effect, Event } from './event.ts';
import type { FinishingBranch, RecordingDamage, YesVote } from './state.ts';

interface Found {
  readonly branch: FinishingBranch<RecordingDamage>;
  readonly record: Effect;
}

/** A branch of a decided commit whose engine proves what was not expected of it; durable before it counts. */
export function foundDamage(
  gtrid: Gtrid,
  branch: FinishingBranch,
  {
    end,
    proof,
    was,
  }: { readonly end: 'committed' | 'rolled-back'; readonly proof: string; readonly was: RecordingDamage['was'] },
): Found {
  const { bqual } = branch;
  const damage = [{ bqual, kind: end, proof }] as const;
  return {
    branch: { ...branch, status: { kind: 'recording-damage', proof, was } },
    record: { kind: 'record-damage', bqual, record: { kind: 'heuristic', gtrid, decision: 'commit', damage } },
  };
}

/**
 * An operator's word for a branch of a decided commit, and an engine that proves the opposite: what the engine says is recorded beside the
 * word, and what was told of the transaction gets no better by it. Undefined: nothing is disproved.
 */
export function disprove(
  gtrid: Gtrid,
  branch: FinishingBranch,
  result: FinishResult,
): { readonly branch: FinishingBranch<RecordingDamage>; readonly effects: readonly Effect[] } | undefined {
  const { status } = branch;
  if (status.kind === 'vouched' && result.kind === 'done-otherwise') {
    const proof = `an operator vouched for its commit, but ${result.proof}`;
    const found = foundDamage(gtrid, branch, { end: 'rolled-back', proof, was: 'vouched' });
    return { branch: found.branch, effects: [found.record, alarm(branch, proof)] };
  }
  if (status.kind === 'damaged' && status.by === 'operator' && result.kind === 'done') {
    const proof = 'an operator vouched that it was rolled back, but its engine proves that it is committed';
    const found = foundDamage(gtrid, branch, { end: 'committed', proof, was: 'damaged' });
    return { branch: found.branch, effects: [found.record, alarm(branch, proof)] };
  }
  return undefined;
}

export function alarm({ bqual }: { readonly bqual: Bqual }, message: string): Effect {
  return { kind: 'alarm', bqual, message };
}

/** What a participant said of a branch before, as far as it is known. */
interface Said {
  readonly bqual: Bqual;
  readonly instance: string | undefined;
  readonly vote: YesVote | undefined;
}

type VoteEvent = Extract<Event, { kind: 'vote' }>;

/** A vote that contradicts the one that the same instance gave before: it may have lost what it had promised. */
export function contradiction(said: Said | undefined, { instance, vote }: VoteEvent): readonly Effect[] {
  if (
    said?.vote === undefined ||
    said.instance === undefined ||
    said.instance !== instance ||
    isSameVote(said.vote, vote)
  ) {
    return [];
  }
  return [alarm(said, `its participant has voted ${describe(said.vote)}, and now votes ${describe(vote)}`)];
}

/** The same, of a branch whose yes is decided on: one that was told to commit knows nothing of it any more, and may say so. */
export function contradictionOfDecided(
  branch: FinishingBranch | undefined,
  event: VoteEvent,
  isTold: boolean,
): readonly Effect[] {
  if (branch?.status.kind !== 'pending') {
    return [];
  }
  const isExpected = isTold && event.vote.kind === 'rollback' && GONE.has(event.vote.reason.code);
  const vote = { kind: 'prepared', evidence: branch.evidence } as const;
  return isExpected ? [] : contradiction({ ...branch, vote }, event);
}

const GONE: ReadonlySet<string> = new Set(['BRANCH_UNKNOWN', 'BRANCH_STATE', 'ENGINE_UNAVAILABLE']);

function describe(vote: Vote): string {
  switch (vote.kind) {
    case 'prepared':
      return `prepared with evidence ${formatEvidence(vote.evidence) || 'of nothing'}`;
    case 'read-only':
      return 'read-only';
    case 'rollback':
      return `no: ${vote.reason.message}`;
  }
}

/** With other evidence it is a vote of other work, or of a participant that cannot be trusted. */
export function isSameVote(one: YesVote, other: Vote): boolean {
  return one.kind === 'prepared'
    ? other.kind === 'prepared' && isSameEvidence(one.evidence, other.evidence)
    : other.kind === 'read-only';
}

/** A participant that does not understand what it is told of a decided branch will not by itself. */
const MISUNDERSTOOD: ReadonlySet<string> = new Set(['BRANCH_STATE', 'PROTOCOL', 'FIELD_INVALID']);

/** It says that it is told out of turn, and has not said so the last time. */
export function isMisunderstood(before: Reason | undefined, { code }: Reason): boolean {
  return MISUNDERSTOOD.has(code) && before?.code !== code;
}

export function misunderstood(branch: FinishingBranch, { code, message }: Reason): Effect {
  return alarm(branch, `decided, and its participant says that a commit is out of turn: ${code}: ${message}`);
}
