// What can happen at one branch: moves of its participant, messages that arrive at either end, and calls that wait for an answer.
import { carryOut, carryOutUnheard } from './calls.ts';
import type { Chooser } from './chooser.ts';
import { VERBS } from './events.ts';
import { Flag, get, Local, set } from './layout.ts';
import { CALL, CALLS, FROM_FIRST, MAIL, NEWS, PREPARE } from './mail.ts';
import { MOVES, type Move, type MoveName } from './moves.ts';
import { bqualOf, evidenceNumber, instanceNumber } from './names.ts';
import type { Site } from './site.ts';
import type { World } from './world.ts';

const MOVE_NAMES = Object.keys(MOVES) as MoveName[];
const MOVE_LIST: readonly Move[] = Object.values(MOVES);
const FIRST_ONE_PHASE = Math.min(...CALL['commit-one-phase']);
const IS_COMMIT_DAMAGE = MAIL.map((mail) => mail === 'commit done-otherwise');
const IS_ROLLBACK_DAMAGE = MAIL.map((mail) => mail === 'rollback done-otherwise');
const LOSES_ANSWER: readonly MoveName[] = ['crashInCall', 'noAnswer', 'onePhaseNoAnswer', 'preparedOnePhaseNoAnswer'];
const IS_ONE_PHASE_RESULT = MAIL.map((mail) => mail.startsWith('one-phase '));

export function siteActions(chooser: Chooser, branch: number): void {
  moves(chooser, branch);
  messages(chooser, branch);
  timers(chooser, branch);
}

function moves(chooser: Chooser, branch: number): void {
  const { world, isFair, from } = chooser;
  const seen = world.site.load(from, branch);
  let possible = 0;
  for (let index = 0; index < MOVE_LIST.length; index += 1) {
    const move = MOVE_LIST[index];
    const name = MOVE_NAMES[index];
    if (move !== undefined && name !== undefined && (move.isFair || !isFair)) {
      possible |= move.isPossible(seen) && may(name, chooser, seen) ? 1 << index : 0;
    }
  }
  for (let index = 0; possible >>> index !== 0; index += 1) {
    if (((possible >>> index) & 1) === 1) {
      chooser.at('move', branch, index, (site) => {
        MOVE_LIST[index]?.make(site);
        pay(MOVE_NAMES[index], world);
        return true;
      });
    }
  }
}

function may(name: MoveName, { isFair, world, from }: Chooser, site: Site): boolean {
  const { participantCrashes, administrator, evidenceLoss, lostAnswers } = world.configuration;
  switch (name) {
    case 'prepare':
    case 'readOnly':
      // A last statement votes unasked; but when faults have stopped, nobody sends one any more.
      return !isFair || ((site.mail >>> PREPARE) & 1) === 1;
    case 'crash':
      return world.flagOf(from, Flag.participantCrashes) < participantCrashes;
    case 'crashInCall':
      return (
        world.flagOf(from, Flag.participantCrashes) < participantCrashes &&
        world.flagOf(from, Flag.answersLost) < lostAnswers
      );
    case 'noAnswer':
    case 'onePhaseNoAnswer':
    case 'preparedOnePhaseNoAnswer':
      return world.flagOf(from, Flag.answersLost) < lostAnswers;
    case 'handCommits':
    case 'handRollsBack':
      return administrator && world.flagOf(from, Flag.administratorActed) === 0;
    case 'loseEvidence':
      return evidenceLoss;
    default:
      return true;
  }
}

/** A fault that happened counts. */
function pay(name: MoveName | undefined, world: World): void {
  if (name === 'crash' || name === 'crashInCall') {
    world.setFlag(Flag.participantCrashes, world.flag(Flag.participantCrashes) + 1);
  } else if (name === 'handCommits' || name === 'handRollsBack') {
    world.setFlag(Flag.administratorActed, 1);
  }
  if (LOSES_ANSWER.includes(name ?? 'open')) {
    payAnswer(world);
  }
}

function payAnswer(world: World): void {
  world.setFlag(Flag.answersLost, world.flag(Flag.answersLost) + 1);
}

function messages(chooser: Chooser, branch: number): void {
  const { isAttached } = chooser.world.site.load(chooser.from, branch);
  const mail = chooser.mail(branch);
  for (let number = 0; number < MAIL.length; number += 1) {
    if (((mail >>> number) & 1) === 0) {
      continue;
    }
    if (number >= CALLS) {
      chooser.try('report', branch, number, (world) => hear(world, branch, number));
    } else if (isAttached) {
      chooser.at('call', branch, number, (site, world) => answer(site, world, branch, number));
      unheard(chooser, branch, number);
    }
  }
}

function unheard(chooser: Chooser, branch: number, number: number): void {
  const { world, from, isFair } = chooser;
  if (!isFair && world.flagOf(from, Flag.answersLost) < world.configuration.lostAnswers) {
    chooser.at('call unheard', branch, number, (site) => {
      payAnswer(world);
      return carryOutUnheard(site, number);
    });
  }
}

function answer(site: Site, world: World, branch: number, number: number): boolean {
  if (number >= FIRST_ONE_PHASE && isRerouted(site, world, branch)) {
    site.mail &= ~FROM_FIRST; // Another instance is asked only when the stream of the first has ended.
  }
  return carryOut(site, number);
}

/** The first instance was called to commit in one phase, and the second is asked for it. */
function isRerouted(site: Site, world: World, branch: number): boolean {
  const { state } = world.coordinators.facts(world.coordinator);
  const isItsBranch = state?.kind === 'one-phase' && state.branch.bqual === bqualOf(branch);
  return isItsBranch && site.instance === 1 && instanceNumber(state.branch.instance) === 0;
}

function hear(world: World, branch: number, number: number): boolean {
  const { kind, awaited, isRolledBack } = world.coordinators.facts(world.coordinator);
  const before = world.local(branch);
  if (kind === 'active' || kind === 'preparing') {
    noteHeard(world, branch, number);
  }
  if (IS_ONE_PHASE_RESULT[number]) {
    world.setLocal(branch, Local.callOpen, 0);
  }
  const isNews = world.local(branch) !== before;
  if (IS_ROLLBACK_DAMAGE[number] && world.flag(Flag.presumed) === 1) {
    return hearOfPresumed(world, branch, number);
  }
  const isChanged = world.tell(world.events.reports[branch]?.[number] ?? -1);
  const isDamage = IS_COMMIT_DAMAGE[number] ? awaited[branch] === 0 : IS_ROLLBACK_DAMAGE[number] && isRolledBack;
  if (isDamage && (world.logs.facts(world.log).damaged & (1 << branch)) === 0) {
    world.fail(`D4: the engine of branch ${bqualOf(branch)} proves damage, and it is not recorded`);
  }
  return isChanged || isNews || world.problem !== undefined;
}

/** A transaction that was taken in for a prepared branch: production judges what the proof of its commit means. */
function hearOfPresumed(world: World, branch: number, number: number): boolean {
  const event = world.events.reports[branch]?.[number] ?? -1;
  const { result, isNoted } = world.entrances.judged(world.coordinator, event, world.standing());
  const isNews = isNoted && (world.flag(Flag.remembered) !== 1 || get(world.local(branch), Local.provenBy) === 0);
  if (isNews) {
    world.remember('committed', branch);
  }
  return world.tell(result.kind === 'done' ? (world.events.branches[branch]?.rolledBack ?? -1) : event) || isNews;
}

/** The judges remember what the coordinator has heard of, until there is a decision. */
function noteHeard(world: World, branch: number, number: number): void {
  const news = NEWS[number];
  if (news?.isHeard) {
    world.setLocal(branch, Local.heard, 1);
    if (news.opening !== undefined) {
      world.setLocal(branch, news.opening === 0 ? Local.firstHeard : Local.secondHeard, 1);
    }
  }
}

/** Calls that wait: their answer may have been lost, or their instance. Backoff is not modelled: whatever is due is due at any moment. */
function timers(chooser: Chooser, branch: number): void {
  const { world, from } = chooser;
  const { awaited, kind, state } = world.coordinators.facts(from[0] ?? 0);
  const events = world.events.branches[branch];
  const verb = awaited[branch] ?? -1;
  const isOpen = chooser.isSet(branch, Local.callOpen);
  const isUnsent = chooser.isSet(branch, Local.callUnsent);
  if (events === undefined) {
    return;
  }
  if (VERBS[verb] !== undefined && !isUnsent) {
    chooser.try('no answer', branch, 0, (next) => {
      next.setLocal(branch, Local.callOpen, 0);
      return next.tell(events.unknown[verb] ?? -1) || isOpen;
    });
    chooser.tell('not yet', branch, events.notYet[verb] ?? -1);
    if (!isOpen) {
      chooser.tell('retry', branch, events.retry);
    }
  }
  const { instance } = world.site.load(from, branch);
  if (state?.kind === 'one-phase' && isOpen && instance === 1) {
    const call = CALL['commit-one-phase'][evidenceNumber(state.branch.evidence)] ?? FIRST_ONE_PHASE;
    chooser.try('rerouted', branch, 0, (next) => {
      next.send(branch, call);
      return true;
    });
  }
  if (state?.kind === 'one-phase' && isUnsent) {
    chooser.at('unsent', branch, 0, (site, next) => {
      site.mail &= ~FROM_FIRST;
      site.local = set(site.local, Local.callUnsent, 0);
      site.save(next.words, branch);
      next.tell(events.lost[instanceNumber(state.branch.instance)] ?? -1);
      site.load(next.words, branch);
      return true;
    });
  }
  if (kind === 'preparing') {
    chooser.tell('ask again', branch, events.askAgain[instance] ?? -1);
  }
}
