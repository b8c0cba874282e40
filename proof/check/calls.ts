// What a participant answers to the coordinator's calls. The source is src/participants: voter, finisher, and the adapters' proofs.
import { Local, Table, Tombstone, Work } from './layout.ts';
import { CALL, PREPARE, RESULT } from './mail.ts';
import { isActive } from './participant.ts';
import type { Site } from './site.ts';

/**
 * Carries out the call with that number, which was sent before. The three outcomes of a vote that is asked for are moves of their own.
 * @returns false: not now, or it changes nothing.
 */
export function carryOut(site: Site, call: number): boolean {
  if (call === PREPARE) {
    return voteAgain(site);
  }
  const rollbackEvidence = CALL.rollback.indexOf(call);
  if (rollbackEvidence !== -1) {
    return rollback(site, rollbackEvidence);
  }
  const commitEvidence = CALL.commit.indexOf(call);
  return commitEvidence === -1 ? onePhase(site, CALL['commit-one-phase'].indexOf(call)) : commit(site, commitEvidence);
}

/**
 * The engine carries the call out, and the participant never hears its answer: it goes on holding the branch as prepared.
 * @returns false: of a branch that it does not hold there is nothing to go on with.
 */
export function carryOutUnheard(site: Site, call: number): boolean {
  const isCommit = CALL.commit.includes(call);
  const evidence = (isCommit ? CALL.commit : CALL.rollback).indexOf(call);
  const { instance } = site;
  const isMeant = evidence === 0 || evidence === site.heldEvidence;
  if (!site.isPrepared || site.work(instance) !== Work.prepared || evidence === -1 || !isMeant) {
    return false;
  }
  site.setWork(instance, isCommit ? Work.committed : Work.rolledBack);
  return true;
}

/** The vote once more, or of a branch that this instance does not hold, by what its engine lists. */
function voteAgain(site: Site): boolean {
  switch (site.table) {
    case Table.active:
    case Table.announced:
    case Table.asked:
    case Table.onePhase:
      return false;
    case Table.prepared:
    case Table.preparedTold:
    case Table.preparedOnePhase:
      site.tell('yes', site.instance);
      return true;
    default:
      return voteOfAbsent(site);
  }
}

function voteOfAbsent(site: Site): boolean {
  switch (site.get(Local.tombstone)) {
    case Tombstone.no:
      site.vote('no');
      return true;
    case Tombstone.readOnly:
      site.vote('readOnly');
      return true;
    case Tombstone.none:
    case Tombstone.told: {
      site.bury(Tombstone.told);
      const [prepared, second] = site.preparedBy(0);
      if (prepared !== undefined && second === undefined) {
        site.tell('yes', prepared);
      } else if (site.participant.voteOfUnlisted === 'yes') {
        site.tell('yes', site.instance);
      } else {
        site.vote('no');
      }
      return true;
    }
    default:
      return false; // It may have been committed in one phase; a vote could only mislead.
  }
}

function rollback(site: Site, asked: number): boolean {
  if (site.holdsOther(asked)) {
    site.report(RESULT.rollback[rollbackAtEngine(site, asked)]);
    return true;
  }
  const { table } = site;
  if (table === Table.onePhase || table === Table.preparedOnePhase) {
    return false; // Behind what runs.
  }
  if (isActive(site)) {
    site.setWork(site.instance, Work.rolledBack);
    site.bury(Tombstone.no);
    site.report(RESULT.rollback.done);
    return true;
  }
  const result = rollbackAtEngine(site, asked === 0 ? site.ownEvidence() : asked);
  site.bury(Tombstone.told);
  site.report(RESULT.rollback[result]);
  return true;
}

/** The opening that is meant, or all of the name, after sessions that might still prepare it have been ended. */
function rollbackAtEngine(site: Site, evidence: number): 'done' | 'done-otherwise' {
  site.fence(evidence);
  for (const prepared of site.preparedBy(evidence)) {
    site.setWork(prepared, Work.rolledBack);
  }
  return site.proof(evidence) === 'committed' ? 'done-otherwise' : 'done';
}

function commit(site: Site, asked: number): boolean {
  if (site.holdsOther(asked)) {
    const result = commitAtEngine(site, asked);
    if (result !== 'not-yet') {
      site.report(RESULT.commit[result]);
    }
    return true;
  }
  if (site.table !== Table.absent && !site.isPrepared) {
    return false; // Not yet: it has not voted.
  }
  const result = commitAtEngine(site, asked === 0 ? site.ownEvidence() : asked);
  if (result === 'done' || result === 'done-otherwise') {
    site.bury(Tombstone.told);
  } else if (site.get(Local.tombstone) === Tombstone.none && site.table === Table.absent) {
    site.set(Local.tombstone, Tombstone.told);
  }
  if (result !== 'not-yet') {
    site.report(RESULT.commit[result]);
  }
  return true;
}

/** The opening that the evidence names, and no other. */
function commitAtEngine(site: Site, evidence: number): 'done' | 'done-otherwise' | 'not-yet' | 'unproven' {
  if (evidence === 0) {
    return 'unproven';
  }
  const [prepared] = site.preparedBy(site.participant.commitOfOther === 'left' ? evidence : 0);
  if (prepared !== undefined) {
    site.setWork(prepared, Work.committed);
    return 'done';
  }
  const isStray = site.meant(evidence).some((opening) => STRAYS.includes(site.work(opening)));
  return isStray ? 'not-yet' : site.participant.ofUnlisted(site.proof(evidence));
}

const STRAYS: readonly number[] = [Work.stray, Work.strayCommit];

function onePhase(site: Site, evidence: number): boolean {
  if (site.holdsOther(evidence)) {
    return onePhaseOfOther(site, evidence);
  }
  switch (site.table) {
    case Table.active:
      site.set(Local.table, isKnown(site, evidence) ? Table.onePhase : Table.asked);
      return true;
    case Table.announced:
      if (isKnown(site, evidence)) {
        site.set(Local.table, Table.onePhase);
      } else {
        site.announce();
      }
      return true;
    case Table.prepared:
    case Table.preparedTold:
      if (isKnown(site, evidence)) {
        site.set(Local.table, Table.preparedOnePhase);
      } else {
        site.announce();
      }
      return true;
    case Table.absent:
      onePhaseOfAbsent(site, evidence);
      return true;
    default:
      return false;
  }
}

/** What is held was opened a second time, and goes; what became of the other is for the engine to say. */
function onePhaseOfOther(site: Site, evidence: number): boolean {
  if (!isActive(site) && !site.isPrepared) {
    return false; // Behind what runs.
  }
  const tombstone = isActive(site) ? Tombstone.no : Tombstone.told;
  if (site.work(site.instance) !== Work.committed) {
    site.setWork(site.instance, Work.rolledBack);
  }
  site.bury(tombstone);
  site.report(RESULT['commit-one-phase'][prove(site, evidence)]);
  return true;
}

/** Whoever asks can prove the commit afterwards. */
function isKnown(site: Site, evidence: number): boolean {
  return evidence === site.heldEvidence || !site.participant.waitsForEvidence;
}

function onePhaseOfAbsent(site: Site, evidence: number): void {
  const isOther = evidence !== 0 && evidence !== site.heldEvidence; // What is remembered is of another opening.
  const result = isOther ? undefined : rememberedOnePhase(site);
  if (result !== undefined) {
    site.report(RESULT['commit-one-phase'][result]);
    return;
  }
  site.bury(Tombstone.told);
  if (evidence === 0) {
    site.vote('no'); // Nothing was announced, so that nobody was told to commit.
  } else {
    site.report(RESULT['commit-one-phase'][prove(site, evidence)]);
  }
}

/** What this instance knows of a branch that it held. */
function rememberedOnePhase(site: Site): 'done' | 'done-otherwise' | undefined {
  switch (site.get(Local.tombstone)) {
    case Tombstone.no:
      // Its no was told and may have been passed on, so it must not commit, whatever its engine holds.
      return rollbackAtEngine(site, 0) === 'done' ? 'done-otherwise' : 'done';
    case Tombstone.readOnly:
    case Tombstone.onePhaseDone:
      return 'done';
    case Tombstone.onePhaseOtherwise:
      return 'done-otherwise';
    default:
      return undefined;
  }
}

/** A branch that this life does not hold: what its engine says, once no session can change it any more. */
function prove(site: Site, evidence: number): 'done' | 'done-otherwise' | 'unproven' {
  site.fence(evidence);
  const [prepared] = site.preparedBy(evidence);
  if (prepared !== undefined) {
    site.setWork(prepared, Work.committed);
    return 'done';
  }
  return site.participant.ofUnlisted(site.proof(evidence));
}
