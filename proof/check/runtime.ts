// What happens to a branch at its participant, and what is done then: production's engine decides, and here its effects are carried out at
// once. What a session, or the engine for one phase, is asked for takes its time: it ends by a move of its own (moves.ts).
import type { FinishVerb } from '../../src/participants/engine/call.ts';
import type { Effect } from '../../src/participants/engine/effect.ts';
import type { Event } from '../../src/participants/engine/event.ts';
import type { FinishResult } from '../../src/xa/vocabulary.ts';
import { commitAtEngine, proofAtEngine, rollbackAtEngine } from './engine.ts';
import { Work } from './layout.ts';
import { CALL, PREPARE, RESULT } from './mail.ts';
import { evidenceNumber, evidenceOf, REASON } from './names.ts';
import type { Site } from './site.ts';

/** Evidence is of branch a everywhere: a participant knows nothing of other branches. */
const OWN = 0;

/** @returns false: it waits behind what runs for the branch, and nothing happens. The message can as well come later. */
export function happens(site: Site, ...events: Event[]): boolean {
  for (let event = events.shift(); event !== undefined; event = events.shift()) {
    const { next, effects, problem } = site.participants.step(site.held, event);
    site.fail(problem);
    site.held = next;
    for (const effect of effects) {
      if (effect.kind === 'wait-turn') {
        if (isRunning(site, effect)) {
          return false;
        }
        events.push({ kind: 'turn', call: effect.call });
      } else {
        perform(site, effect, events);
      }
    }
  }
  return true;
}

/** The vote that is being taken, or another call: of another opening it holds up nothing. */
function isRunning(site: Site, { call, queue }: Extract<Effect, { kind: 'wait-turn' }>): boolean {
  const { state, calls } = site.facts.branch;
  const isVoting = state.kind === 'preparing' || state.kind === 'preparing-superseded';
  const isAtWork = calls.some(({ stage, verb }) => AT_WORK.includes(stage.kind) && verb !== call.verb);
  return queue === 'branch' && (isVoting || isAtWork);
}

const AT_WORK: readonly string[] = ['at-session', 'at-engine'];

function perform(site: Site, effect: Exclude<Effect, { kind: 'wait-turn' }>, events: Event[]): void {
  switch (effect.kind) {
    case 'open-session':
      site.setWork(site.instance, Work.active);
      break;
    case 'end-session':
      endSession(site, events);
      break;
    case 'commit':
      if (effect.call.verb !== 'commit-one-phase' || site.facts.kind !== 'prepared-told-one-phase') {
        events.push({ kind: 'finished', call: effect.call, result: atEngine(site, effect) });
      }
      break;
    case 'rollback':
      events.push({ kind: 'finished', call: effect.call, result: atEngine(site, effect) });
      break;
    case 'probe':
      events.push({ kind: 'probed', call: effect.call, proof: proofAtEngine(site, evidenceNumber(effect.evidence)) });
      break;
    case 'list':
      events.push({ kind: 'listed', prepared: site.preparedBy(0).map((opening) => evidenceOf(OWN, opening + 1)) });
      break;
    case 'tell-opened':
      site.reportOpened();
      break;
    case 'vote':
      if (effect.vote.kind === 'prepared') {
        site.tell('yes', evidenceNumber(effect.vote.evidence) === 2 ? 1 : 0);
      } else {
        site.vote(effect.vote.kind === 'read-only' ? 'readOnly' : 'no');
      }
      break;
    case 'answer':
      answer(site, effect);
      break;
    case 'take-vote': // What comes of these, and when, is a move.
    case 'ask-one-phase':
    case 'commit-one-phase':
    case 'end-prepare': // Time is not modelled, nor what the participant keeps for itself.
    case 'release-session':
    case 'start-deadline':
    case 'limit-prepare':
    case 'stop-deadline':
    case 'remember':
    case 'note':
    case 'damage':
      break;
  }
}

/** What its session was asked for last is answered, too: it does not matter how. */
function endSession(site: Site, events: Event[]): void {
  if (site.work(site.instance) === Work.active) {
    site.setWork(site.instance, Work.rolledBack);
  }
  events.push({ kind: 'session-ended' });
  if (site.facts.runs === 'session') {
    events.push({ kind: 'session-answered', answer: UNKNOWN_RESULT });
  }
}

export const UNKNOWN_RESULT: FinishResult = { kind: 'unknown', reason: REASON };

function atEngine(site: Site, { kind, evidence }: Extract<Effect, { kind: 'commit' | 'rollback' }>): FinishResult {
  const end = kind === 'commit' ? commitAtEngine : rollbackAtEngine;
  const result = end(site, evidenceNumber(evidence));
  return site.isUnheard ? UNKNOWN_RESULT : result;
}

/** Of what is not known, or not yet done, the coordinator hears nothing here: its timers ask again (site-actions.ts). */
function answer(site: Site, { verb, answer: told }: Extract<Effect, { kind: 'answer' }>): void {
  switch (told.kind) {
    case 'has-written':
      site.announce();
      break;
    case 'rollback':
      site.vote('no');
      break;
    case 'done':
    case 'done-otherwise':
    case 'unproven': {
      const message = (RESULT[verb] as Readonly<Record<string, number>>)[told.kind];
      if (message !== undefined) {
        site.report(message);
      }
      break;
    }
    case 'not-yet':
    case 'unknown':
      break;
  }
}

/**
 * Carries out the call with that number, which was sent before. The three outcomes of a vote that is asked for are moves of their own.
 * @returns false: not now, or it changes nothing.
 */
export function carryOut(site: Site, call: number): boolean {
  if (call === PREPARE) {
    return !site.facts.isUnprepared && happens(site, { kind: 'vote-wanted', by: 'coordinator' });
  }
  for (const verb of VERBS) {
    const evidence = CALL[verb].indexOf(call);
    if (evidence !== -1) {
      return happens(site, wanted(site, verb, evidence));
    }
  }
  return false;
}

const VERBS: readonly FinishVerb[] = ['rollback', 'commit', 'commit-one-phase'];

function wanted(site: Site, verb: FinishVerb, evidence: number): Event {
  const holder = evidence === 0 ? 'not-known' : evidence === site.heldEvidence ? 'this' : 'another';
  return { kind: 'finish-wanted', verb, evidence: evidenceOf(OWN, evidence), holder };
}

/**
 * The engine carries the call out, and the participant never hears its answer: it goes on holding the branch as prepared.
 * @returns false: of a branch that it does not hold there is nothing to go on with.
 */
export function carryOutUnheard(site: Site, call: number): boolean {
  const verb = CALL.commit.includes(call) ? 'commit' : 'rollback';
  const evidence = CALL[verb].indexOf(call);
  const { instance } = site;
  const isMeant = evidence === 0 || evidence === site.heldEvidence;
  if (!site.isPrepared || site.work(instance) !== Work.prepared || evidence === -1 || !isMeant) {
    return false;
  }
  site.isUnheard = true;
  const isDone = happens(site, wanted(site, verb, evidence));
  site.isUnheard = false;
  return isDone;
}
