// How a transaction ended that is not held any more, for whoever asks: from the log, from what is remembered, and from the engines (D5).
import type { BranchProof, Outcome } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, gtridParts } from '../../xa/xid.ts';
import { recordedOutcome, type Traces } from './absent.ts';
import { type Committed, recordedScope, withScope } from './scope.ts';

export type Found =
  | {
      readonly kind: 'outcome';
      readonly outcome: Outcome;
      /** What was committed, as far as its branches are known. */
      readonly committed: Committed | undefined;
    }
  /** Not of this log, or never begun. */
  | { readonly kind: 'not-found' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'unknown'; readonly why: string };

export interface QuestionFacts extends Traces {
  /** A transaction of this life may have been begun under the id. */
  readonly mayHaveBegun: boolean;
  /** A database has been attached since the start: an old copy of the log would have been noticed. */
  readonly hasMet: boolean;
  readonly hasResources: boolean;
}

/** An old copy of the log lacks decisions, and is noticed by the first database that it meets: before that its silence proves nothing (D5). */
const UNMET: Found = {
  kind: 'unknown',
  why: 'no database has been attached since the start of the coordinator, and until then its log may be an old copy',
};

/**
 * The end of a transaction that is neither live nor held whole, or the engines that have to be asked for it first. `claimed` is what the
 * asker knows of its branches; whether the commit is of those is for the caller to compare.
 *
 * A commit in one phase leaves no record, so silence in the log proves a rollback only for a transaction that the asker knows to
 * have had two branches; for one branch its engine is asked, and for none nothing is concluded.
 */
export function judgeQuestion(
  gtrid: Gtrid,
  claimed: readonly Bqual[],
  facts: QuestionFacts,
): Found | { readonly kind: 'ask'; readonly bquals: readonly Bqual[] } {
  const { log, logged, remembered, provenBy } = facts;
  const { identity, epoch } = gtridParts(gtrid);
  if (identity !== log.identity || epoch > log.epoch) {
    return { kind: 'not-found' };
  }
  const committed =
    logged.kind === 'decided' ? withScope(logged.record.branches, recordedScope(logged.record)) : undefined;
  if (remembered !== undefined && provenBy === undefined) {
    return { kind: 'outcome', outcome: remembered, committed: committed ?? facts.committed };
  }
  if (facts.isUnreadable) {
    return { kind: 'unknown', why: 'its records in the log contradict each other' };
  }
  // What was recorded goes before what an engine proves of one branch: damage stays damage, also when it was forgotten (D5).
  const recorded = recordedOutcome(facts);
  if (recorded !== undefined) {
    return { kind: 'outcome', outcome: recorded, committed };
  }
  const bquals = [...new Set(claimed)];
  if (remembered !== undefined && provenBy !== undefined) {
    const isOnlyThat = bquals.every((bqual) => bqual === provenBy);
    if (isOnlyThat || (remembered === 'committed' && logged.kind === 'silent')) {
      return { kind: 'outcome', outcome: remembered, committed: allOf([provenBy]) };
    }
    // A rollback of one branch says nothing to somebody who knows of another one, which may have been committed alone (D5).
  }
  if (logged.kind === 'expired') {
    return { kind: 'expired' };
  }
  if (epoch === log.epoch) {
    if (!facts.mayHaveBegun) {
      return { kind: 'not-found' };
    }
    if (facts.hasResources && !facts.hasMet) {
      return UNMET;
    }
    // Over, and not remembered: as long as nothing has been forgotten, it was never committed. Its Begin may not have come at all.
    return facts.isComplete ? { kind: 'outcome', outcome: 'rolled-back', committed: undefined } : { kind: 'expired' };
  }
  if (bquals.length === 0) {
    return { kind: 'unknown', why: 'name its branches: for a single one the log proves nothing' };
  }
  return facts.hasMet ? { kind: 'ask', bquals } : UNMET;
}

/** What the engine of one branch proves; `away`: nobody could ask it. */
export interface Proof {
  readonly bqual: Bqual;
  readonly proof: BranchProof | 'away';
}

/** `noted`: what is remembered from now on, since one engine alone proves it. */
interface Proven {
  readonly found: Found;
  readonly noted: { readonly bqual: Bqual; readonly outcome: 'committed' | 'rolled-back' } | undefined;
}

/**
 * The engines have been asked. The log's silence says that nothing of two branches was committed, unless the asker names more than there
 * was: one of them may have been committed alone, in one phase. Engines that cannot be asked now are not waited for (D11).
 */
export function judgeProofs(proofs: readonly Proof[]): Proven {
  const [only, ...others] = proofs;
  if (only !== undefined && others.length === 0) {
    return ofOnlyBranch(only);
  }
  const all = proofs.filter(({ proof }) => proof === 'committed').map(({ bqual }) => bqual);
  const [first, ...more] = all;
  if (first === undefined) {
    return { found: { kind: 'outcome', outcome: 'rolled-back', committed: undefined }, noted: undefined };
  }
  return {
    found: { kind: 'outcome', outcome: 'committed', committed: allOf(all) },
    noted: more.length === 0 ? { bqual: first, outcome: 'committed' } : undefined,
  };
}

function ofOnlyBranch({ bqual, proof }: Proof): Proven {
  switch (proof) {
    case 'committed':
    case 'rolled-back': {
      const committed = proof === 'committed' ? allOf([bqual]) : undefined;
      return { found: { kind: 'outcome', outcome: proof, committed }, noted: { bqual, outcome: proof } };
    }
    case 'away':
      return unknown(`the participant of ${bqual} is not attached, and only its engine can tell`);
    case 'active':
    case 'prepared':
    case 'unproven':
      return unknown(`the engine of ${bqual} does not prove how its only branch ended`);
  }
}

function unknown(why: string): Proven {
  return { found: { kind: 'unknown', why }, noted: undefined };
}

/** Nothing is known of whether the client has named them: a repeated request need not. */
function allOf(bquals: readonly Bqual[]): Committed {
  return { all: bquals, unnamed: bquals };
}
