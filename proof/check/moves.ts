// Everything that a participant may do by itself, by name: when it is possible, what it changes, and whether it needs a fault.
import { Claim, Local, Work } from './layout.ts';
import {
  announce,
  attach,
  attachInCall,
  crash,
  cut,
  dropVanished,
  endByHand,
  endOnePhase,
  endPrepared,
  isAskedOnePhase,
  isEndingPrepared,
  isInCall,
  isInOnePhase,
  isRepeatedLast,
  loseSession,
  mayAnswerOnePhase,
  mayAttach,
  mayBeRefused,
  mayCommitOnePhase,
  mayCrash,
  mayFind,
  mayForget,
  mayOpen,
  mayPrepare,
  mayVote,
  open,
  refused,
  settleStray,
  takesStatements,
  vote,
} from './participant.ts';
import type { Site } from './site.ts';

export interface Move {
  /** In words, for traces: the participant is the subject. */
  readonly name: string;
  /** It happens by itself when faults have stopped and nobody asks for anything new. */
  readonly isFair: boolean;
  readonly isPossible: (site: Site) => boolean;
  readonly make: (site: Site) => void;
}

function fair(name: string, isPossible: Move['isPossible'], make: Move['make']): Move {
  return { name, isFair: true, isPossible, make };
}

function fault(name: string, isPossible: Move['isPossible'], make: Move['make']): Move {
  return { name, isFair: false, isPossible, make };
}

/** What needs nobody's permission. Whether a vote was asked for, and how many faults there may be, is judged elsewhere. */
export const MOVES = {
  open: fault('opens the branch for a first statement', mayOpen, open),
  /** To its first statement, or to a repetition of it: from now on the client names the branch. */
  answer: fault(
    'answers the client’s first statement',
    (site) =>
      (site.isPrepared || (site.facts.isUnasked && !isRepeatedLast(site))) &&
      !site.isAsked &&
      site.get(Local.claim) === Claim.none,
    (site) => site.set(Local.claim, site.instance === 0 ? Claim.first : Claim.second),
  ),
  prepare: fair('prepares and votes yes', mayPrepare, (site) => vote(site, 'yes', Work.prepared)),
  readOnly: fair('ends the branch, which only read, and votes so', mayVote, (site) =>
    vote(site, 'read-only', Work.readOnly),
  ),
  refused: fair('is refused by its engine, and votes no', mayBeRefused, refused),
  no: fair('loses its session, and votes no', (site) => site.facts.isUnasked, loseSession),
  noAnswer: fault('votes no since PREPARE has no answer; it may still be carried out', mayVote, (site) =>
    vote(site, 'no', Work.stray),
  ),
  onePhaseDone: fair('carries the one phase out', mayCommitOnePhase, (site) =>
    endOnePhase(site, Work.committed, 'done'),
  ),
  onePhaseReadOnly: fair('ends in one phase, and had only read', mayAnswerOnePhase, (site) =>
    endOnePhase(site, Work.readOnly, 'done'),
  ),
  onePhaseRefused: fair(
    'is refused the one phase by its engine',
    (site) => isInOnePhase(site) || isAskedOnePhase(site),
    (site) => endOnePhase(site, Work.rolledBack, 'done-otherwise'),
  ),
  onePhaseNoAnswer: fault(
    'has no answer to the COMMIT of one phase; it may still be carried out',
    mayCommitOnePhase,
    (site) => endOnePhase(site, Work.strayCommit, 'unknown'),
  ),
  announce: fair('announces the evidence of its one phase', mayAnswerOnePhase, announce),
  preparedOnePhase: fair('carries the one phase of its prepared branch out', isEndingPrepared, (site) =>
    endPrepared(site, true),
  ),
  preparedOnePhaseNoAnswer: fault(
    'carries the one phase of its prepared branch out and does not hear so',
    isEndingPrepared,
    (site) => endPrepared(site, false),
  ),
  crash: fault('dies', mayCrash, (site) => crash(site, false)),
  crashInCall: fault(
    'dies while its engine works on its last word',
    (site) => mayCrash(site) && isInCall(site),
    (site) => crash(site, true),
  ),
  strayPrepares: fair(
    'has a session without an owner, which prepares now',
    (site) => site.hasWork(Work.stray),
    (site) => settleStray(site, Work.stray, Work.prepared),
  ),
  strayEnds: fair(
    'has a session without an owner, which ends',
    (site) => site.hasWork(Work.stray),
    (site) => settleStray(site, Work.stray, Work.rolledBack),
  ),
  strayCommits: fair(
    'has a session without an owner, which commits now',
    (site) => site.hasWork(Work.strayCommit),
    (site) => settleStray(site, Work.strayCommit, Work.committed),
  ),
  strayFails: fair(
    'has a session without an owner, whose COMMIT is lost',
    (site) => site.hasWork(Work.strayCommit),
    (site) => settleStray(site, Work.strayCommit, Work.rolledBack),
  ),
  attach: fair('attaches to the coordinator again', mayAttach, attach),
  attachInCall: fault(
    'attaches to the restarted coordinator while its engine prepares',
    (site) => takesStatements(site) && site.attached < site.life,
    attachInCall,
  ),
  cut: fault('loses its stream to the coordinator', (site) => site.hasTwo && site.isAttached, cut),
  findFirst: fair(
    'lists its first opening as prepared',
    (site) => mayFind(site, 0),
    (site) => site.tell('found', 0),
  ),
  findSecond: fair(
    'lists its second opening as prepared',
    (site) => mayFind(site, 1),
    (site) => site.tell('found', 1),
  ),
  dropVanished: fair(
    'misses its prepared branch in the list',
    (site) => site.isPrepared && site.work(site.instance) !== Work.prepared,
    dropVanished,
  ),
  handCommits: fault(
    'has its prepared branch committed by hand',
    (site) => site.prepared !== undefined,
    (site) => endByHand(site, site.prepared ?? 0, Work.committed),
  ),
  handRollsBack: fault(
    'has its prepared branch rolled back by hand',
    (site) => site.prepared !== undefined,
    (site) => endByHand(site, site.prepared ?? 0, Work.rolledBack),
  ),
  loseEvidence: fault('forgets how the branch ended', mayForget, (site) => site.set(Local.evidenceLost, 1)),
} as const satisfies Record<string, Move>;

export type MoveName = keyof typeof MOVES;
