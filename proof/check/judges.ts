// The judges: they know what every engine really holds, and hold each state of the world against the invariants D1 to D12.
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import type { StateFacts } from './coordinators.ts';
import {
  Claim,
  claimedOpening,
  FLAGS,
  Flag,
  get,
  isByHand,
  isTouched,
  Local,
  OPENINGS,
  placeOf,
  Work,
  workOf,
} from './layout.ts';
import { evidenceNumber, NAMES } from './names.ts';
import type { Reaction } from './reactions.ts';
import { type Facts, maskOf } from './records.ts';

export interface Known {
  readonly words: Int32Array;
  readonly branches: number;
  readonly coordinator: StateFacts;
  readonly log: Facts;
}

/** What is wrong with a state, whichever way it was reached; undefined: nothing. */
export function stateProblem(known: Known): string | undefined {
  const { coordinator, log, words, branches } = known;
  if ((log.decided | log.deciding) !== 0 && coordinator.isBeforeOrAgainst) {
    return `D2: a decision is with the log, and the coordinator is ${coordinator.kind}`;
  }
  if (log.problem !== undefined) {
    return `D7: ${log.problem}`;
  }
  for (let branch = 0; branch < branches; branch += 1) {
    const problem = branchProblem(known, branch, words[placeOf(branch)] ?? 0);
    if (problem !== undefined) {
      return problem;
    }
  }
  return toldProblem(known);
}

function branchProblem(
  { coordinator, log, words, branches }: Known,
  branch: number,
  local: number,
): string | undefined {
  const name = `branch ${NAMES[branch]}`;
  const bit = 1 << branch;
  const claimed = claimedOpening(local);
  for (const opening of OPENINGS) {
    if (workOf(local, opening) === Work.committed && !isByHand(local, opening)) {
      const isDecided = (log.decided & bit) !== 0;
      const isOnly = log.decided === 0 && claimedMask(words, branches) === bit;
      if (claimed !== opening || !(isDecided || isOnly)) {
        return `D1, D9: ${name} is committed, and it is no durable decision's work`;
      }
    }
  }
  if ((log.decided & bit) !== 0) {
    const work = claimed === undefined ? Work.none : workOf(local, claimed);
    const isHeld = work === Work.prepared || work === Work.committed;
    if (claimed === undefined || (!isHeld && !isByHand(local, claimed))) {
      return `D2, D4: ${name} is decided, and its work is not prepared any more`;
    }
    const isProven = (coordinator.proven & bit) !== 0 || log.isFinished;
    if (isProven && work !== Work.committed && (log.vouched & bit) === 0) {
      return `D6, D7: ${name} counts as committed, and its engine does not say so`;
    }
  }
  return undefined;
}

/** D5, at every state that follows: what somebody was told, and what is true by now. */
function toldProblem({ words, log, branches }: Known): string | undefined {
  const flags = words[FLAGS] ?? 0;
  const told = (field: (typeof Flag)[keyof typeof Flag]): boolean => get(flags, field) === 1;
  if (told(Flag.toldRolledBack) && (log.decided | log.deciding) !== 0) {
    return 'D5: somebody was told that it is rolled back, and a decision is with the log';
  }
  for (let branch = 0; branch < branches; branch += 1) {
    const local = words[placeOf(branch)] ?? 0;
    const claimed = claimedOpening(local);
    for (const opening of OPENINGS) {
      const isCommitted = workOf(local, opening) === Work.committed && !isByHand(local, opening);
      if (told(Flag.toldRolledBack) && isCommitted) {
        return `D5: somebody was told that it is rolled back, and branch ${NAMES[branch]} is committed`;
      }
    }
    if (told(Flag.toldCommitted) && claimed !== undefined && log.decided === 0 && !isTouched(local)) {
      const work = workOf(local, claimed);
      if (work !== Work.readOnly && work !== Work.committed) {
        return `D5: somebody was told that it is committed, and branch ${NAMES[branch]} is not`;
      }
    }
  }
  const acted = told(Flag.administratorActed) || told(Flag.operatorVouched);
  if (told(Flag.toldHazard) && !acted && !isForgottenAnywhere(words, branches)) {
    return 'D12: somebody was told of a hazard, and every engine can prove how its branch ended';
  }
  return told(Flag.toldMixed) && !acted ? 'D4: the outcome is mixed, and nobody acted by hand' : undefined;
}

export function claimedMask(words: Int32Array, branches: number): number {
  let mask = 0;
  for (let branch = 0; branch < branches; branch += 1) {
    mask |= claimedOpening(words[placeOf(branch)] ?? 0) === undefined ? 0 : 1 << branch;
  }
  return mask;
}

/** What is wrong with a step, judged by the world before its effects are carried out. */
export function stepProblem(known: Known, before: StateFacts, reaction: Reaction): string | undefined {
  const { log } = known;
  if (reaction.problem !== undefined) {
    return reaction.problem;
  }
  if ((reaction.commits & ~log.decided) !== 0) {
    return 'D1: a branch is told to commit, and no durable decision names it';
  }
  const decided = reaction.records.find((record) => record.kind === 'decided');
  const isFirstOnePhase = reaction.onePhase !== undefined && before.kind !== 'one-phase';
  if (decided !== undefined || isFirstOnePhase || reaction.isTrivialCommit) {
    const problem = decisionProblem(known, reaction);
    if (problem !== undefined) {
      return problem;
    }
  }
  return damageProblem(known, reaction) ?? reaction.doubt;
}

/** D3: a commit is of everything that the client claims, whole, and of nothing else that the coordinator has heard of. */
function decisionProblem({ words, branches }: Known, reaction: Reaction): string | undefined {
  if (get(words[FLAGS] ?? 0, Flag.commitSent) === 0) {
    return 'D3: a commit that nobody asked for';
  }
  const decided = reaction.records.find((record) => record.kind === 'decided');
  const named = decided === undefined ? 0 : maskOf(decided.branches);
  if (reaction.onePhase !== undefined && claimedMask(words, branches) !== 1 << reaction.onePhase) {
    return 'D3: one phase, and it is not the only branch';
  }
  for (let branch = 0; branch < branches; branch += 1) {
    const local = words[placeOf(branch)] ?? 0;
    const claimed = claimedOpening(local);
    const name = `branch ${NAMES[branch]}`;
    const heard = [get(local, Local.firstHeard) === 1, get(local, Local.secondHeard) === 1];
    // Without an instance in the request nobody but the client knows which opening is meant.
    const isBlank = get(local, Local.claim) >= Claim.blankFirst || get(local, Local.enlisted) === 1;
    const isOther = !isBlank && OPENINGS.some((opening) => heard[opening] && claimed !== opening);
    if (isOther || (claimed === undefined && get(local, Local.heard) === 1)) {
      return `D3: the coordinator has heard of an opening of ${name} that the client does not claim`;
    }
    const isNamed = (named & (1 << branch)) !== 0;
    if (claimed === undefined) {
      if (isNamed) {
        return `D3: ${name} is decided, and the client does not claim it`;
      }
    } else if (reaction.onePhase === undefined && !isTouched(local)) {
      const wanted = isNamed ? Work.prepared : Work.readOnly;
      if (workOf(local, claimed) !== wanted) {
        return `D3: a commit is decided, and the work at ${name} is not ${isNamed ? 'prepared' : 'ended as read-only'}`;
      }
    }
    const evidence = decided?.branches.find(({ bqual }) => bqual === NAMES[branch])?.evidence;
    if (isNamed && !isTouched(local) && evidenceNumber(evidence ?? NO_EVIDENCE) !== (claimed ?? 0) + 1) {
      return `D3: the decision names other work at ${name} than the client's`;
    }
  }
  return undefined;
}

/**
 * D4: damage is what somebody did by hand, and nothing else is recorded as damage; unless it is a hazard, or the commit of a branch of which
 * an operator said that it was rolled back.
 */
function damageProblem({ words }: Known, reaction: Reaction): string | undefined {
  for (const record of reaction.records) {
    if (record.kind === 'heuristic') {
      for (const { bqual, kind } of record.damage) {
        const local = words[placeOf(NAMES.indexOf(bqual))] ?? 0;
        const end = kind === 'committed' ? Work.committed : Work.rolledBack;
        const isOwn = kind === 'committed' && record.decision === 'commit';
        if (
          kind !== 'unproven' &&
          !OPENINGS.some((opening) => (isOwn || isByHand(local, opening)) && workOf(local, opening) === end)
        ) {
          return `D4: damage at branch ${bqual} is recorded, and nobody has ended it by hand`;
        }
      }
    }
  }
  return undefined;
}

/** Once a step is taken: an answer that says more than is true (D5). */
export function answerProblem(known: Known, reaction: Reaction): string | undefined {
  const { coordinator, words, branches } = known;
  if (reaction.answers && coordinator.told === undefined) {
    return `D5: an answer is given while the coordinator is ${coordinator.kind}`;
  }
  if (reaction.answersApplied && coordinator.told === Flag.toldCommitted) {
    for (let branch = 0; branch < branches; branch += 1) {
      const local = words[placeOf(branch)] ?? 0;
      const claimed = claimedOpening(local);
      const work = claimed === undefined ? Work.readOnly : workOf(local, claimed);
      if (work !== Work.readOnly && work !== Work.committed && !isTouched(local)) {
        return `D5: applied is answered, and branch ${NAMES[branch]} is not committed yet`;
      }
    }
  }
  return undefined;
}

const OVER: readonly number[] = [Work.none, Work.committed, Work.rolledBack, Work.readOnly];

/** Everything has ended, as the invariants demand it: nothing of ours is open or prepared, and nobody waits for anything but a person. */
export function isEnded({ words, branches, coordinator, log }: Known): boolean {
  for (let branch = 0; branch < branches; branch += 1) {
    const local = words[placeOf(branch)] ?? 0;
    if (!OPENINGS.every((opening) => OVER.includes(workOf(local, opening)))) {
      return false;
    }
  }
  if (log.writing > 0) {
    return false;
  }
  if (coordinator.kind === 'none' && log.decided !== 0 && !log.isFinished) {
    return false; // The log holds a decision, and nobody works on it: it would stay there for ever (D7).
  }
  const waitsForPeople =
    coordinator.kind === 'committing' &&
    coordinator.awaited.every((verb, branch) => verb === -1 || isForgotten(words[placeOf(branch)] ?? 0));
  return coordinator.kind === 'none' || coordinator.kind === 'completed' || waitsForPeople;
}

/** Its engine proves nothing any more: the branch is asked for again and again, until an operator vouches for its end. */
function isForgotten(local: number): boolean {
  return get(local, Local.evidenceLost) === 1;
}

function isForgottenAnywhere(words: Int32Array, branches: number): boolean {
  for (let branch = 0; branch < branches; branch += 1) {
    if (isForgotten(words[placeOf(branch)] ?? 0)) {
      return true;
    }
  }
  return false;
}

/** When everything has ended: what a decision names is committed, or what happened to it is in the log (D4). */
export function endProblem({ words, branches, log, coordinator }: Known): string | undefined {
  for (let branch = 0; branch < branches; branch += 1) {
    const bit = 1 << branch;
    const local = words[placeOf(branch)] ?? 0;
    const claimed = claimedOpening(local);
    if ((log.decided & bit) !== 0 && claimed !== undefined && workOf(local, claimed) !== Work.committed) {
      const isRecorded = ((log.damaged | log.vouched) & bit) !== 0;
      if (!isRecorded && !(coordinator.kind === 'committing' && isForgotten(local))) {
        return `D4: branch ${NAMES[branch]} was decided and is not committed, and no damage is recorded`;
      }
    }
  }
  return undefined;
}
