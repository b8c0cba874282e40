// The lines of a script as events: `commit of row a`, `turn commit of row a`, `vote prepared`. What is not in the vocabulary fails.
import type { CallName, FinishVerb, OnePhaseAnswer } from '../../src/participants/engine/call.ts';
import type { Event } from '../../src/participants/engine/event.ts';
import { type Opening, openingEvidence, rowEvidence } from '../../src/xa/evidence.ts';
import type { BranchProof, Evidence, FinishResult, Reason, Vote } from '../../src/xa/vocabulary.ts';
import { NOTHING } from './nothing.ts';

export type Line =
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'queries'; readonly own: Evidence }
  /** The end that was remembered is forgotten: too many came after it. */
  | { readonly kind: 'forgotten' };

const VERBS: readonly string[] = ['commit', 'rollback', 'commit-one-phase'] satisfies readonly FinishVerb[];

/** @throws {Error} the line is not in the vocabulary. */
export function parseLine(line: string): Line {
  const words = new Words(line);
  const first = words.next();
  if (first === 'forgotten') {
    return { kind: first };
  }
  const parsed: Line =
    first === 'queries' ? { kind: 'queries', own: words.evidence() } : { kind: 'event', event: eventOf(first, words) };
  words.end();
  return parsed;
}

function eventOf(first: string, words: Words): Event {
  switch (first) {
    case 'open':
      return {
        kind: 'open',
        opening: opening(words.may('b') ? 'b' : 'a'),
        oneShot: words.may('one-shot'),
        named: words.may('named'),
      };
    case 'last-statement':
    case 'deadline':
    case 'prepare-overdue':
    case 'session-ended':
      return { kind: first };
    case 'client-is-done':
      return { kind: 'vote-wanted', by: 'client' };
    case 'prepare':
      return { kind: 'vote-wanted', by: 'coordinator' };
    case 'vote':
      return {
        kind: 'vote-taken',
        vote: vote(words),
        damage: words.may('damaged') ? 'its row is there' : undefined,
        nowMs: words.may('later') ? 50 : 0,
      };
    case 'session-answers':
      return { kind: 'session-answered', answer: words.may('has-written') ? hasWritten(words) : result(words) };
    case 'session-lost':
      return { kind: 'session-lost', reason: reason('RESOURCE_UNAVAILABLE') };
    case 'damaged':
      return { kind: 'damaged', reason: reason('BRANCH_STATE'), proof: 'its row is there' };
    case 'newer-life':
    case 'stop':
      return { kind: first, reason: reason('BRANCH_UNKNOWN') };
    case 'not-listed':
      return { kind: 'not-listed', listedMs: words.may('later') ? 50 : 0 };
    case 'listed':
      return { kind: 'listed', prepared: words.evidences() };
    case 'list-failed':
      return { kind: 'list-failed', reason: reason('ENGINE_UNAVAILABLE') };
    case 'turn':
      return { kind: 'turn', call: words.call() };
    case 'finished':
      return { kind: 'finished', call: words.call(), result: result(words) };
    case 'probed':
      return { kind: 'probed', call: words.call(), proof: words.next() as BranchProof };
    case 'probe-failed':
      return { kind: 'probe-failed', call: words.call(), reason: reason('ENGINE_UNAVAILABLE') };
    default: {
      const { verb, evidence } = words.call(first);
      const holder = words.may('at-another') ? 'another' : words.may('at-anybody') ? 'not-known' : 'this';
      return { kind: 'finish-wanted', verb, evidence, holder };
    }
  }
}

export function opening(letter: string): Opening {
  return letter.repeat(12) as string as Opening;
}

export function reason(code: string): Reason {
  return { code, message: 'as told', retryable: true };
}

function vote(words: Words): Vote {
  switch (words.next()) {
    case 'prepared':
      return { kind: 'prepared', evidence: rowEvidence(opening('a')) };
    case 'read-only':
      return { kind: 'read-only' };
    case 'no':
      return { kind: 'rollback', reason: reason('BRANCH_VOTED_NO') };
    default:
      throw new Error('no such vote');
  }
}

function hasWritten(words: Words): OnePhaseAnswer {
  return { kind: 'has-written', evidence: words.evidence() };
}

function result(words: Words): FinishResult {
  const kind = words.next();
  switch (kind) {
    case 'done':
      return { kind };
    case 'done-otherwise':
      return { kind, proof: 'its engine proves the other end' };
    case 'not-yet':
    case 'unknown':
    case 'unproven':
      return { kind, reason: reason('ENGINE_UNAVAILABLE') };
    default:
      throw new Error(`no such result: ${kind}`);
  }
}

class Words {
  readonly #words: string[];

  constructor(line: string) {
    this.#words = line.split(/\s+/).filter((word) => word !== '');
  }

  next(): string {
    const word = this.#words.shift();
    if (word === undefined) {
      throw new Error('the line ends too early');
    }
    return word;
  }

  may(word: string): boolean {
    const isThere = this.#words[0] === word;
    if (isThere) {
      this.#words.shift();
    }
    return isThere;
  }

  /** `row a`, `opening b` or `nothing`. */
  evidence(): Evidence {
    const kind = this.next();
    switch (kind) {
      case 'row':
        return rowEvidence(opening(this.next()));
      case 'opening':
        return openingEvidence(opening(this.next()));
      case 'nothing':
        return NOTHING;
      default:
        throw new Error(`no such evidence: ${kind}`);
    }
  }

  evidences(): readonly Evidence[] {
    const all: Evidence[] = [];
    while (this.#words.length > 0) {
      all.push(this.evidence());
    }
    return all;
  }

  /** `commit`, or `commit of row a`. */
  call(verb: string = this.next()): CallName {
    if (!VERBS.includes(verb)) {
      throw new Error(`no such event: ${verb}`);
    }
    return { verb: verb as FinishVerb, evidence: this.may('of') ? this.evidence() : NOTHING };
  }

  end(): void {
    if (this.#words.length > 0) {
      throw new Error(`left over: ${this.#words.join(' ')}`);
    }
  }
}
