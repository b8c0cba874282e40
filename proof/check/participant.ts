// What a participant and its engine do by themselves: branches are opened, vote, die, and are found again.
// The source is src/participants: branches, branch-lives, reconciler, runtime.
import { Claim, Local, OPENINGS, type Opening, Table, Tombstone, Work } from './layout.ts';
import { ONE_PHASE_CALLS, REPORT, RESULT } from './mail.ts';
import type { Site } from './site.ts';

/**
 * The client's first statement reaches a participant that has never heard of the branch, in the life that the transaction is of. A
 * client that has had its answer does not send it again; one that has not may reach another instance with it. Of two
 * copies on two streams, one of which broke, the answered one came last: the other ended with the process that its stream led to.
 */
export function mayOpen(site: Site): boolean {
  const isPinned = site.get(Local.claim) !== Claim.none || (site.get(Local.enlisted) === 1 && site.isAsked);
  const isNew = site.table === Table.absent && site.get(Local.tombstone) === Tombstone.none;
  return (
    isNew && (site.repeats || !isPinned) && site.get(Local.attached) === 0 && site.work(site.instance) === Work.none
  );
}

/** The branch is reported before its engine hears of it. */
export function open(site: Site): void {
  const { instance } = site;
  site.report(REPORT.opened[instance]);
  if (isLastAlready(site)) {
    site.bury(Tombstone.no);
    site.vote('no');
    return;
  }
  site.setWork(instance, Work.active);
  site.set(Local.table, Table.active);
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

export function isActive(site: Site): boolean {
  return takesStatements(site) || site.table === Table.asked || site.table === Table.announced;
}

export function takesStatements(site: Site): boolean {
  return site.table === Table.active;
}

export function isInOnePhase(site: Site): boolean {
  return site.table === Table.onePhase;
}

export function mayPrepare(site: Site): boolean {
  return takesStatements(site) && !isTaken(site);
}

/** While one opening is prepared, or its row is there, no other of the same name can write its row. */
function isTaken(site: Site): boolean {
  return site.prepared !== undefined || OPENINGS.some((opening) => site.hasRow(opening));
}

export function prepare(site: Site): void {
  site.setWork(site.instance, Work.prepared);
  site.set(Local.table, Table.prepared);
  site.tell('yes', site.instance);
}

/** `work`: what becomes of it. */
export function vote(site: Site, vote: 'no' | 'readOnly', work: number): void {
  site.setWork(site.instance, work);
  site.bury(vote === 'no' ? Tombstone.no : Tombstone.readOnly);
  site.vote(vote);
}

export function isAskedOnePhase(site: Site): boolean {
  return site.table === Table.asked;
}

/** It has written, so that its commit waits for somebody who knows its evidence. */
export function announce(site: Site): void {
  site.announce();
  site.set(Local.table, Table.announced);
}

export function endOnePhase(site: Site, work: number, tombstone: number, result: number | undefined): void {
  site.setWork(site.instance, work);
  site.bury(tombstone);
  if (result !== undefined) {
    site.report(result);
  }
}

/** Its engine has rolled the branch back, which is no error everywhere: PostgreSQL answers PREPARE TRANSACTION with ROLLBACK. */
export function refused(site: Site): void {
  site.setWork(site.instance, Work.rolledBack);
  if (site.participant.voteOfRefused === 'yes') {
    site.set(Local.table, Table.prepared);
    site.tell('yes', site.instance);
  } else {
    site.bury(Tombstone.no);
    site.vote('no');
  }
}

/** One phase of a branch that its last statement had prepared. */
export function endPreparedOnePhase(site: Site): void {
  const { instance } = site;
  const results = RESULT['commit-one-phase'];
  if (site.work(instance) === Work.prepared) {
    site.setWork(instance, Work.committed);
    site.report(results.done);
  } else {
    const proof = site.proof(site.heldEvidence); // Somebody has ended it by hand.
    site.report(proof === 'committed' ? results.done : proof === 'none' ? results.unproven : results['done-otherwise']);
  }
  site.bury(Tombstone.told);
}

/** A participant that has done nothing may die as often as it likes. */
export function mayCrash(site: Site): boolean {
  const isKnown = site.table !== Table.absent || site.get(Local.tombstone) !== Tombstone.none;
  return site.instance === 0 && (isKnown || site.work(0) !== Work.none);
}

/** Kill -9. What its session was doing is undone; or it is carried out later, if the engine has it already. */
export function crash(site: Site, leavesSession: boolean): void {
  const { instance, table } = site;
  if (isActive(site) || table === Table.onePhase) {
    const stray = table === Table.onePhase ? Work.strayCommit : Work.stray;
    site.setWork(instance, leavesSession ? stray : Work.rolledBack);
  }
  site.set(Local.table, Table.absent);
  site.set(Local.tombstone, Tombstone.none);
  site.set(Local.instance, 1);
  site.mail &= ~ONE_PHASE_CALLS; // They were on a stream that is gone.
  site.set(Local.attached, site.life);
}

/** The engine is done with what a session without an owner had asked for last. */
export function settleStray(site: Site, from: number, to: number): void {
  const opening = site.work(0) === from ? 0 : 1;
  site.setWork(opening, to === Work.prepared && isTaken(site) ? Work.rolledBack : to);
}

/** Attaches to a restarted coordinator: says what it holds, and ends what an earlier life had not prepared. */
export function attach(site: Site): void {
  const { instance } = site;
  site.set(Local.attached, site.life);
  switch (site.table) {
    case Table.active:
    case Table.announced:
    case Table.asked:
      site.report(REPORT.opened[instance]);
      site.setWork(instance, Work.rolledBack);
      site.bury(Tombstone.no);
      break;
    case Table.prepared:
      site.tell('yes', instance);
      site.bury(Tombstone.told);
      break;
    case Table.preparedTold:
      site.bury(Tombstone.told);
      break;
    default:
      break; // Nothing is said of what a call is finishing just now.
  }
}

/** The same while its engine prepares the branch: that is not called back, and what comes of it is the new life's to find. */
export function attachInCall(site: Site): void {
  site.set(Local.attached, site.life);
  site.report(REPORT.opened[site.instance]);
  site.setWork(site.instance, Work.stray);
  site.bury(Tombstone.told);
}

/** One phase of a prepared branch is carried out, and its answer is lost: the participant holds it as prepared again. */
export function endPreparedUnheard(site: Site): void {
  if (site.work(site.instance) === Work.prepared) {
    site.setWork(site.instance, Work.committed);
  }
  site.set(Local.table, Table.preparedTold);
}

export function mayFind(site: Site, opening: Opening): boolean {
  const isAtWork = site.table === Table.onePhase || site.table === Table.preparedOnePhase;
  return site.work(opening) === Work.prepared && !isAtWork;
}

export function endByHand(site: Site, opening: Opening, end: number): void {
  site.setWork(opening, end);
  site.set(opening === 0 ? Local.firstByHand : Local.secondByHand, 1);
}

export function mayForget(site: Site): boolean {
  return site.get(Local.evidenceLost) === 0 && (site.hasWork(Work.committed) || site.hasWork(Work.rolledBack));
}
