// What a participant and its engine do by themselves: branches are opened, vote, die, and are found again. Production's engine says what
// that makes of the branch (runtime.ts); here is what the engine's sessions and the processes do.
import type { OnePhaseAnswer } from '../../src/participants/engine/call.ts';
import { heldAs, isMoving } from '../../src/participants/engine/queries.ts';
import { openingOf } from '../../src/xa/evidence.ts';
import type { Vote } from '../../src/xa/vocabulary.ts';
import { commitAtEngine } from './engine.ts';
import { Claim, Local, OPENINGS, type Opening, Work } from './layout.ts';
import { ONE_PHASE_CALLS } from './mail.ts';
import { evidenceOf, PROOF, REASON } from './names.ts';
import { happens, UNKNOWN_RESULT } from './runtime.ts';
import type { Site } from './site.ts';

/**
 * The client's first statement reaches a participant that has never heard of the branch, in the life that the transaction is of. A
 * client that has had its answer does not send it again; one that has not may reach another instance with it. Of two
 * copies on two streams, one of which broke, the answered one came last: the other ended with the process that its stream led to.
 */
export function mayOpen(site: Site): boolean {
  const isPinned = site.get(Local.claim) !== Claim.none || (site.get(Local.enlisted) === 1 && site.isAsked);
  const isNew = site.facts.kind === 'unknown';
  // Of two instances one is reached first: their names make no difference.
  const isFirst = site.hasTwo && site.instance === 1 && site.work(0) === Work.none;
  return (
    isNew && !isFirst && (site.repeats || !isPinned) && site.attached === 0 && site.work(site.instance) === Work.none
  );
}

export function open(site: Site): void {
  const opening = openingOf(ownEvidence(site));
  if (opening === undefined) {
    throw new Error('every opening has a mark');
  }
  happens(site, { kind: 'open', opening, oneShot: false, named: false });
  if (isLastAlready(site)) {
    site.setWork(site.instance, Work.none);
    votes(site, { kind: 'rollback', reason: REASON });
  }
}

/**
 * The first opening was prepared before anybody asked for it, so its statement was the last one, and so is its repetition: the engine
 * refuses to prepare another opening of the name.
 */
function isLastAlready(site: Site): boolean {
  const first = site.work(0);
  return site.instance === 1 && (first === Work.prepared || first === Work.stray || first === Work.readOnly);
}

/**
 * Somebody has ended the prepared first opening by hand, so that the name is free again. The statement was the last one all the same, and
 * its repetition is answered when it has voted.
 */
export function isRepeatedLast(site: Site): boolean {
  return site.instance === 1 && site.isByHand(0);
}

/** Its engine was not asked for anything yet. */
export function takesStatements(site: Site): boolean {
  return site.facts.kind === 'active' && site.hasSession;
}

/** It can vote now: nobody need have asked, a last statement votes by itself. */
export function mayVote(site: Site): boolean {
  return takesStatements(site) || (site.facts.kind === 'preparing-superseded' && site.hasSession);
}

/** The same; that its session was ended by another it learns only now. */
export function mayBeRefused(site: Site): boolean {
  return site.facts.kind === 'active' || site.facts.kind === 'preparing-superseded';
}

export function mayPrepare(site: Site): boolean {
  return mayVote(site) && !isTaken(site);
}

/** While one opening is prepared, or its row is there, no other of the same name can write its row. */
function isTaken(site: Site): boolean {
  return site.prepared !== undefined || OPENINGS.some((opening) => site.hasRow(opening));
}

/** `work`: what becomes of it. */
export function vote(site: Site, vote: 'yes' | 'no' | 'read-only', work: number): void {
  site.setWork(site.instance, work);
  votes(
    site,
    vote === 'yes'
      ? { kind: 'prepared', evidence: ownEvidence(site) }
      : vote === 'no'
        ? { kind: 'rollback', reason: REASON }
        : { kind: 'read-only' },
  );
}

function votes(site: Site, vote: Vote): void {
  if (site.facts.kind === 'active') {
    happens(site, { kind: 'last-statement' });
  }
  happens(site, { kind: 'vote-taken', vote, damage: undefined, nowMs: 0 });
}

/** Its engine has rolled the branch back, which is no error everywhere: PostgreSQL answers PREPARE TRANSACTION with ROLLBACK. */
export function refused(site: Site): void {
  vote(site, site.participant.voteOfRefused, Work.rolledBack);
}

/** The engine or the network has ended its session. */
export function loseSession(site: Site): void {
  site.setWork(site.instance, Work.rolledBack);
  happens(site, { kind: 'session-lost', reason: REASON });
}

export function isInOnePhase(site: Site): boolean {
  return site.facts.kind === 'committing-one-phase';
}

export function isAskedOnePhase(site: Site): boolean {
  return site.facts.kind === 'asked';
}

/** Its session can still carry it out. */
export function mayCommitOnePhase(site: Site): boolean {
  return isInOnePhase(site) && site.hasSession;
}

export function mayAnswerOnePhase(site: Site): boolean {
  return isAskedOnePhase(site) && site.hasSession;
}

/** It has written, so that its commit waits for somebody who knows its evidence. */
export function announce(site: Site): void {
  happens(site, { kind: 'session-answered', answer: { kind: 'has-written', evidence: ownEvidence(site) } });
}

export function endOnePhase(site: Site, work: number, answer: 'done' | 'done-otherwise' | 'unknown'): void {
  site.setWork(site.instance, work);
  happens(site, { kind: 'session-answered', answer: ANSWERS[answer] });
}

const ANSWERS: Readonly<Record<'done' | 'done-otherwise' | 'unknown', OnePhaseAnswer>> = {
  done: { kind: 'done' },
  'done-otherwise': { kind: 'done-otherwise', proof: PROOF },
  unknown: UNKNOWN_RESULT,
};

/** One phase of a branch that its last statement had prepared is with the engine. */
export function isEndingPrepared(site: Site): boolean {
  return site.facts.runs === 'engine';
}

/** `isHeard`: otherwise the answer is lost, and the participant holds it as prepared again. */
export function endPrepared(site: Site, isHeard: boolean): void {
  const [call] = site.facts.branch.calls;
  if (call === undefined) {
    throw new Error('a call is with the engine');
  }
  const result = commitAtEngine(site, site.heldEvidence);
  const { verb, evidence } = call;
  happens(site, { kind: 'finished', call: { verb, evidence }, result: isHeard ? result : UNKNOWN_RESULT });
}

/** A participant that has done nothing may die as often as it likes. */
export function mayCrash(site: Site): boolean {
  const isFirst = site.hasTwo || site.instance === 0;
  return isFirst && (site.facts.kind !== 'unknown' || site.work(site.instance) !== Work.none);
}

/** Its session has something to do for the branch, which is not prepared. */
export function isInCall(site: Site): boolean {
  return site.facts.isUnprepared && site.hasSession;
}

/** Kill -9. What its session was doing is undone; or it is carried out later, if the engine has it already. */
export function crash(site: Site, leavesSession: boolean): void {
  if (isInCall(site)) {
    const stray = isInOnePhase(site) ? Work.strayCommit : Work.stray;
    site.setWork(site.instance, leavesSession ? stray : Work.rolledBack);
  }
  site.drop(site.hasTwo ? EVERYTHING : ONE_PHASE_CALLS); // They were on a stream that is gone.
  site.die();
}

/** What it had said is heard before its stream ends, or never. */
const EVERYTHING = -1;

/** Its stream to the coordinator breaks. */
export function cut(site: Site): void {
  site.drop(EVERYTHING);
  site.isCut = true;
}

export function mayAttach(site: Site): boolean {
  return site.isCut || site.attached < site.life;
}

/** The engine is done with what a session without an owner had asked for last. */
export function settleStray(site: Site, from: number, to: number): void {
  const opening = site.work(0) === from ? 0 : 1;
  site.setWork(opening, to === Work.prepared && isTaken(site) ? Work.rolledBack : to);
}

/** Attaches again: says what it holds, and then hears that a newer life has begun, if the coordinator was restarted. */
export function attach(site: Site): void {
  const isNewer = site.attached < site.life;
  site.attached = site.life;
  const held = heldAs(site.facts.branch, ownEvidence(site));
  if (held === 'open') {
    site.reportOpened();
  } else if (held === 'prepared') {
    site.tell('yes', site.instance);
  }
  if (isNewer) {
    happens(site, { kind: 'newer-life', reason: REASON });
  }
}

/** The same while its engine prepares the branch: that is not called back, and what comes of it is the new life's to find. */
export function attachInCall(site: Site): void {
  happens(site, { kind: 'last-statement' });
  attach(site);
}

export function mayFind(site: Site, opening: Opening): boolean {
  const listed = { evidence: evidenceOf(0, opening + 1), atMs: 1, reconcileMs: 1 };
  return site.work(opening) === Work.prepared && !isMoving(site.facts.branch, listed);
}

/** A list of its engine that was begun after its vote does not have the branch. */
export function dropVanished(site: Site): void {
  happens(site, { kind: 'not-listed', listedMs: 1 });
}

export function endByHand(site: Site, opening: Opening, end: number): void {
  site.setWork(opening, end);
  site.set(opening === 0 ? Local.firstByHand : Local.secondByHand, 1);
}

export function mayForget(site: Site): boolean {
  return site.get(Local.evidenceLost) === 0 && (site.hasWork(Work.committed) || site.hasWork(Work.rolledBack));
}

/** Of branch a everywhere: a participant knows nothing of other branches. */
function ownEvidence(site: Site): ReturnType<typeof evidenceOf> {
  return evidenceOf(0, site.heldEvidence);
}
