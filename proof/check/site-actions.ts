// What can happen at one branch: moves of its participant, messages that arrive at either end, and calls that wait for an answer.
import { askAgain, reroute } from './calls.ts';
import type { Chooser } from './chooser.ts';
import { VERBS } from './events.ts';
import { Flag, get, Local, type Opening } from './layout.ts';
import { CALL, CALLS, MAIL, NEWS, PREPARE } from './mail.ts';
import { MOVES, type Move, type MoveName } from './moves.ts';
import { bqualOf, instanceOf } from './names.ts';
import { carryOut, carryOutUnheard } from './runtime.ts';
import type { Site } from './site.ts';
import { remember } from './telling.ts';
import type { World } from './world.ts';

const MOVE_NAMES = Object.keys(MOVES) as MoveName[];
const MOVE_LIST: readonly Move[] = Object.values(MOVES);
/** One for each action at a site, so that each is made once: `Site.once`. */
const MADE = MOVE_LIST.map(({ make }) => (site: Site): boolean => {
  make(site);
  return true;
});
const HEARD_CALLS = MAIL.map((_, number) => (site: Site) => carryOut(site, number));
const UNHEARD_CALLS = MAIL.map((_, number) => (site: Site) => carryOutUnheard(site, number));
const CALLED = 100;
const UNHEARD = 200;
const nothing = (): boolean => false;
const IS_COMMIT_DAMAGE = MAIL.map((mail) => mail === 'commit done-otherwise');
const IS_ROLLBACK_DAMAGE = MAIL.map((mail) => mail === 'rollback done-otherwise');
/** Of a transaction that was taken in for a prepared branch it may prove one phase. */
const TELLS_COMMIT = MAIL.map((mail) => mail === 'rollback done-otherwise' || mail === 'one-phase done');
const IS_ONE_PHASE_RESULT = MAIL.map((mail) => mail.startsWith('one-phase '));

export function siteActions(chooser: Chooser, branch: number): void {
  chooser.forEachInstance(() => {
    moves(chooser, branch);
    messages(chooser, branch);
  });
  timers(chooser, branch);
}

function moves(chooser: Chooser, branch: number): void {
  const { world, isFair } = chooser;
  const site = chooser.site(branch);
  const mayBe = possibleMoves(site) & allowedMoves(chooser, isFair && ((site.mail >>> PREPARE) & 1) === 0);
  for (let rest = mayBe; rest !== 0; rest &= rest - 1) {
    const index = lowest(rest);
    chooser.at('move', branch, index, (site) => {
      pay(index, world);
      return site.once(index, MADE[index] ?? nothing);
    });
  }
}

/** A bit for each move that the site itself allows. It looks at nothing but what is in the key, so that each is found out once. */
function possibleMoves(site: Site): number {
  const { key, circumstances } = site;
  const known = site.possible[circumstances] ?? new Map<number, number>();
  site.possible[circumstances] = known;
  let mask = known.get(key);
  if (mask === undefined) {
    mask = maskOf((_name, move) => move.isPossible(site)) & actors(site);
    known.set(key, mask);
  }
  return mask;
}

/** The engine's own moves are made once, whoever is dead; a dead instance makes none. */
function actors(site: Site): number {
  return (site.isDead ? 0 : ~OF_ENGINE) | (site.hasTwo && site.instance === 1 ? 0 : OF_ENGINE);
}

function maskOf(test: (name: MoveName, move: Move) => boolean): number {
  return MOVE_NAMES.reduce((mask, name, index) => mask | (test(name, MOVES[name]) ? 1 << index : 0), 0);
}

function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

const FAIR = maskOf((_name, { isFair }) => isFair);
const VOTES_YES = maskOf((name) => name === 'prepare' || name === 'readOnly');
const CRASHES = maskOf((name) => name === 'crash' || name === 'crashInCall' || name === 'cut');
const LOSES_ANSWER = maskOf((name) =>
  ['crashInCall', 'noAnswer', 'onePhaseNoAnswer', 'preparedOnePhaseNoAnswer'].includes(name),
);
const BY_HAND = maskOf((name) => name === 'handCommits' || name === 'handRollsBack');
const OF_ENGINE = maskOf((name) => name.startsWith('stray') || name.startsWith('hand') || name === 'loseEvidence');
const FORGETS = maskOf((name) => name === 'loseEvidence');

/** A bit for each move that the world allows. `isUnasked`: nobody asks for a vote any more; a last statement needs nobody to ask. */
function allowedMoves({ world, isFair, from }: Chooser, isUnasked: boolean): number {
  const { participantCrashes, administrator, evidenceLoss, lostAnswers } = world.configuration;
  if (isFair) {
    return isUnasked ? FAIR & ~VOTES_YES : FAIR;
  }
  let mask = -1;
  mask &= world.flagOf(from, Flag.participantCrashes) < participantCrashes ? -1 : ~CRASHES;
  mask &= world.flagOf(from, Flag.answersLost) < lostAnswers ? -1 : ~LOSES_ANSWER;
  mask &= administrator && world.flagOf(from, Flag.administratorActed) === 0 ? -1 : ~BY_HAND;
  return evidenceLoss ? mask : mask & ~FORGETS;
}

/** A fault that happened counts. */
function pay(move: number, world: World): void {
  const bit = 1 << move;
  if ((bit & CRASHES) !== 0) {
    world.setFlag(Flag.participantCrashes, world.flag(Flag.participantCrashes) + 1);
  }
  if ((bit & BY_HAND) !== 0) {
    world.setFlag(Flag.administratorActed, 1);
  }
  if ((bit & LOSES_ANSWER) !== 0) {
    payAnswer(world);
  }
}

function payAnswer(world: World): void {
  world.setFlag(Flag.answersLost, world.flag(Flag.answersLost) + 1);
}

function messages(chooser: Chooser, branch: number): void {
  const { isAttached, mail } = chooser.site(branch);
  const from: Speaker = { branch, instance: chooser.instance, mail };
  for (let rest = mail; rest !== 0; rest &= rest - 1) {
    const number = lowest(rest);
    if (number >= CALLS) {
      chooser.try('report', branch, number, (world) => hear(world, number, from));
    } else if (isAttached) {
      chooser.at('call', branch, number, (site) => site.once(CALLED + number, HEARD_CALLS[number] ?? nothing));
      unheard(chooser, branch, number);
    }
  }
}

function unheard(chooser: Chooser, branch: number, number: number): void {
  const { world, from, isFair } = chooser;
  if (!isFair && world.flagOf(from, Flag.answersLost) < world.configuration.lostAnswers) {
    chooser.at('call unheard', branch, number, (site) => {
      payAnswer(world);
      return site.once(UNHEARD + number, UNHEARD_CALLS[number] ?? nothing);
    });
  }
}

/** Of two instances that live at the same time, the one that tells, and its messages. */
interface Speaker {
  readonly branch: number;
  readonly instance: Opening;
  readonly mail: number;
}

function hear(world: World, number: number, from: Speaker): boolean {
  const { branch, instance } = from;
  const event = world.events.report(branch, number, world.hasTwo && instance === 0);
  if (world.hasTwo && !counts(world, event, from)) {
    return false;
  }
  const { kind, awaited, isPresumed, isRolledBack } = world.coordinators.facts(world.coordinator);
  const before = world.local(branch);
  if (kind === 'active' || kind === 'preparing') {
    noteHeard(world, branch, number);
  }
  if (IS_ONE_PHASE_RESULT[number]) {
    world.setLocal(branch, Local.callOpen, 0);
  }
  const isNews = world.local(branch) !== before;
  if (TELLS_COMMIT[number] && isPresumed) {
    return hearOfPresumed(world, branch, event);
  }
  const isChanged = world.tell(event);
  const isDamage = IS_COMMIT_DAMAGE[number] ? awaited[branch] === 0 : IS_ROLLBACK_DAMAGE[number] && isRolledBack;
  if (isDamage && (world.logs.facts(world.log).damaged & (1 << branch)) === 0) {
    world.fail(`D4: the engine of branch ${bqualOf(branch)} proves damage, and it is not recorded`);
  }
  return isChanged || isNews || world.problem !== undefined;
}

/** Production says whose answers count. Asked is who was called on the present stream; what is answered on a later one counts as lost. */
function counts(world: World, number: number, { branch, instance, mail }: Speaker): boolean {
  const event = world.events.get(number);
  if (event.kind !== 'branch-result') {
    return true;
  }
  const isAsked = CALL[event.verb].some((call) => ((mail >>> call) & 1) === 1);
  const { state } = world.coordinators.facts(world.coordinator);
  return world.protocol.hearing(state, event, { instance: instanceOf(branch, instance), isAsked }) === 'counts';
}

/** A transaction that was taken in for a prepared branch: production judges what the proof of its commit means. */
function hearOfPresumed(world: World, branch: number, event: number): boolean {
  const { heard, isNoted } = world.entrances.judged(world.coordinator, event, world.standing());
  const isNews = isNoted && (world.flag(Flag.remembered) !== 1 || get(world.local(branch), Local.provenBy) === 0);
  if (isNews) {
    remember(world, 'committed', branch);
  }
  if (heard === 'nothing') {
    return isNews;
  }
  return world.tell(heard === 'done' ? (world.events.branches[branch]?.rolledBack ?? -1) : event) || isNews;
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
  const { awaited, state } = world.coordinators.facts(from[0] ?? 0);
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
      return next.tell(events.unanswered[verb] ?? -1) || isOpen;
    });
    chooser.tell('not yet', branch, events.notYet[verb] ?? -1, 0);
    if (world.configuration.branches === 1) {
      chooser.tell('not yet', branch, events.unknown[verb] ?? -1, 1); // The engine makes of it what it makes of no answer.
    }
    if (!isOpen) {
      chooser.tell('retry', branch, events.retry);
    }
  }
  if (state?.kind === 'one-phase' && (isOpen || isUnsent)) {
    chooser.try('rerouted', branch, 0, (next) => reroute(next, state));
  }
  if (state?.kind === 'preparing') {
    const asked = state.branches.find((one) => one.bqual === bqualOf(branch) && one.vote === undefined);
    if (asked !== undefined) {
      const { bqual, instance, evidence } = asked;
      chooser.try('ask again', branch, 0, (next) => askAgain(next, { verb: 'prepare', bqual, instance, evidence }));
    }
  }
}
