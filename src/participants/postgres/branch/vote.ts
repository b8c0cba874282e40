// The vote of a branch: prepared with its row, or ended at once if it did nothing but read.
import { type EvidenceRow, rowEvidence } from '../../../xa/evidence.ts';
import type { Vote } from '../../../xa/vocabulary.ts';
import type { BatchOutcome } from '../protocol/batch.ts';
import type { BranchHost, BranchWire } from './branch-wire.ts';
import { ENDED, failureOf, isLeftPrepared, judgePrepare, judgeReadOnly, judgeSilent } from './judge.ts';
import { type Footprint, HOLDS_BUT_READ_ONLY, holdingsOf } from './reader.ts';

/** The branch that votes, and what it votes with. */
export interface Voting {
  readonly host: Pick<BranchHost, 'rollbackPrepared'>;
  readonly wire: BranchWire;
  readonly row: EvidenceRow;
  readonly footprint: Footprint;
}

/**
 * Without a number the transaction wrote nothing: it ends at once, unless it holds locks that must last. A plain COMMIT would deliver
 * notifications before the decision, so that it is for a branch that can have sent none.
 * @param looked the answers to the last statements and `lookSteps`; the one that tells stands `at` this place.
 */
export async function endReader(voting: Voting, looked: BatchOutcome, at: number): Promise<Vote> {
  const { wire, footprint } = voting;
  const found = looked.kind === 'answered' ? holdingsOf(looked.results[at]) : undefined;
  switch (footprint.locks && found !== undefined ? 'holds' : found) {
    case 'read':
      return judgeReadOnly(await wire.call('commit'));
    case 'may-have-sent':
      return await endSilently(voting);
    case 'holds':
      return wire.isReadOnly
        ? { kind: 'rollback', reason: HOLDS_BUT_READ_ONLY }
        : await prepared(voting, await wire.callWithRow('prepare'));
    case undefined:
      return { kind: 'rollback', reason: failureOf(looked) ?? ENDED };
  }
}

async function endSilently({ host, wire, row }: Voting): Promise<Vote> {
  const outcome = await wire.callSilently();
  if (isLeftPrepared(outcome)) {
    await host.rollbackPrepared(row);
  }
  return judgeSilent(outcome);
}

/** What the answer to the prepare means. */
export async function prepared({ host, row }: Voting, outcome: BatchOutcome): Promise<Vote> {
  const vote = judgePrepare(outcome, rowEvidence(row.opening));
  if (vote.kind === 'rollback' && outcome.kind === 'answered' && outcome.isUnreplicated) {
    await host.rollbackPrepared(row);
  }
  return vote;
}
