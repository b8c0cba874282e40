// The words of scripts about transactions that are not held: what is given of them, and what is concluded.
import {
  disprovedWord,
  followsWord,
  judgeAnswer,
  judgeReport,
  judgeRow,
  type ReportConclusion,
  type ReportFacts,
} from '../../src/coordinator/engine/absent.ts';
import type { Effect } from '../../src/coordinator/engine/event.ts';
import { judgeLost, type Resolution, type Word } from '../../src/coordinator/engine/operator.ts';
import {
  type Found,
  judgeProofs,
  judgeQuestion,
  type Proof,
  type QuestionFacts,
} from '../../src/coordinator/engine/question.ts';
import { type FoundBranch, recordsOfWord, settledByWord } from '../../src/coordinator/engine/recovered.ts';
import type { State } from '../../src/coordinator/engine/state.ts';
import type { LoggedOutcome, LogRecord } from '../../src/log/record.ts';
import type { Opening } from '../../src/xa/evidence.ts';
import type { Outcome } from '../../src/xa/vocabulary.ts';
import type { Bqual, Gtrid, LogIdentity } from '../../src/xa/xid.ts';
import { after, describeEffects, describeJudgement, describeRecord, describeState } from './trace.ts';
import { decidedBranch, evidenceOf, parseEvent, Words } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Verbs of these scripts; all others are of a transaction that is held. */
export const ABSENT_VERBS: readonly string[] = ['given', 'absent', 'row', 'ask', 'proofs', 'lost'];

export class Absent {
  gtrid = 'abcdefghij.1.1' as Gtrid;
  readonly #facts: Mutable<ReportFacts & QuestionFacts> = {
    log: { identity: 'abcdefghij' as LogIdentity, epoch: 1 },
    ...{ logged: { kind: 'silent' }, history: [], isUnreadable: false, remembered: undefined, provenBy: undefined },
    ...{ committed: undefined, isComplete: true, mayBegin: false, mayHaveBegun: false, hasMet: true },
    hasResources: true,
  };
  #isLive = false;

  get lostTo(): number | undefined {
    return this.#facts.log.lostTo;
  }

  get facts(): ReportFacts {
    return this.#facts;
  }

  /** @param state what is held, if anything is. */
  act(line: string, state: State | undefined): readonly string[] | undefined {
    const words = new Words(line);
    switch (words.next()) {
      case 'given':
        this.#given(words);
        return undefined;
      case 'absent':
        return this.#absent(words, state);
      case 'row': {
        const { bqual } = words.branch();
        return [judgeRow({ gtrid: this.gtrid, bqual, opening: words.next() as Opening }, this.#isLive, this.#facts)];
      }
      case 'ask': {
        const answer = judgeQuestion(this.gtrid, bqualsIn(words), this.#facts);
        return [answer.kind === 'ask' ? `ask the engines of ${answer.bquals.join(', ')}` : describeFound(answer)];
      }
      case 'proofs': {
        const proofs: Proof[] = [];
        while (words.more) {
          proofs.push({ bqual: words.branch().bqual, proof: words.next() as Proof['proof'] });
        }
        const { found, noted } = judgeProofs(proofs);
        return [describeFound(found), ...(noted === undefined ? [] : [`note ${noted.outcome} by ${noted.bqual}`])];
      }
      case 'lost':
        return this.#lost(words);
      default:
        throw new Error(`not of an absent transaction: ${line}`);
    }
  }

  #given(words: Words): void {
    const facts = this.#facts;
    const what = words.next();
    switch (what) {
      case 'id':
        this.gtrid = words.next() as Gtrid;
        break;
      case 'epoch':
        facts.log = { ...facts.log, epoch: Number(words.next()) };
        break;
      case 'lost-to':
        facts.log = { ...facts.log, lostTo: Number(words.next()) };
        break;
      case 'logged':
        facts.logged = logged(this.gtrid, words);
        break;
      case 'history':
        facts.history = [...facts.history, historic(this.gtrid, words)];
        break;
      case 'remembered':
        facts.remembered = words.next() as Outcome;
        facts.provenBy = words.may('by') ? words.branch().bqual : undefined;
        facts.committed = words.may('of') ? { all: bqualsIn(words), unnamed: [] } : undefined;
        break;
      case 'unreadable':
        facts.isUnreadable = true;
        break;
      case 'forgetful':
        facts.isComplete = false;
        break;
      case 'leased':
        facts.mayBegin = true;
        break;
      case 'issued':
        facts.mayHaveBegun = true;
        break;
      case 'live':
        this.#isLive = true;
        break;
      case 'unmet':
        facts.hasMet = false;
        break;
      case 'resourceless':
        facts.hasResources = false;
        break;
      default:
        throw new Error(`nothing like that can be given: ${what}`);
    }
  }

  #absent(words: Words, state: State | undefined): readonly string[] {
    const event = parseEvent(words.next(), words);
    switch (event.kind) {
      case 'branch-opened':
      case 'branch-found':
      case 'vote': {
        const word = followsWord(this.gtrid, event, this.#facts);
        const conclusion = word ?? judgeReport(this.gtrid, event, this.#facts);
        return [...(word === undefined ? [] : ['follows the word']), ...describeConclusion(conclusion)];
      }
      case 'branch-result':
        return state === undefined
          ? [disprovedWord(this.gtrid, event, this.#facts) ?? 'disproves nothing']
          : [judgeAnswer(state, event, this.#facts)];
      default:
        throw new Error(`no participant tells of it: ${event.kind}`);
    }
  }

  #lost(words: Words): readonly string[] {
    switch (words.next()) {
      case 'judge': {
        const kind = words.next() as 'commit' | 'rollback' | 'forget';
        const resolution: Resolution = { kind };
        return describeJudgement(
          judgeLost(this.gtrid, resolution, { epoch: this.#facts.log.epoch, kept: bqualsIn(words) }),
        );
      }
      case 'commit':
        return this.#settled({ kind: 'commit' }, words);
      case 'rolled-back':
        return this.#settled({ kind: 'rollback' }, words);
      default:
        throw new Error('a lost decision is judged, committed or rolled back');
    }
  }

  #settled(word: Word, words: Words): readonly string[] {
    const kept: FoundBranch[] = [];
    while (words.more) {
      kept.push({ ...words.branch(), evidence: evidenceOf(words.next()) });
    }
    const records = recordsOfWord(this.gtrid, word, kept, 'r1');
    const step = settledByWord(this.gtrid, word, kept, records);
    return [
      ...records.map((record) => `to the log: ${describeRecord(record)}`),
      ...(step === undefined
        ? ['nothing is kept']
        : [describeState(step.state), ...describeEffects(step.effects, step.state)]),
    ];
  }
}

export function describeConclusion(conclusion: ReportConclusion): readonly string[] {
  switch (conclusion.kind) {
    case 'nothing':
      return ['nothing'];
    case 'begins':
      return ['begins'];
    case 'kept':
      return [`kept: ${conclusion.why}`];
    case 'told':
      return conclusion.effects.length === 0
        ? ['nothing is told']
        : conclusion.effects.map((effect) => `told ${effect.kind === 'finish' ? describeTold(effect) : effect.kind}`);
    case 'orphan': {
      const { state, effects } = conclusion.step;
      const expired = conclusion.isExpired ? ['its outcome is expired'] : [];
      return [...expired, `orphan: ${describeState(state)}`, ...describeEffects(effects, state)];
    }
  }
}

function describeTold({ verb, bqual, instance, evidence }: Extract<Effect, { kind: 'finish' }>): string {
  return `${verb} ${bqual}@${instance ?? '?'}${after(evidence)}`;
}

function describeFound(found: Found): string {
  switch (found.kind) {
    case 'outcome': {
      const of = found.committed === undefined ? '' : ` of ${found.committed.all.join(', ')}`;
      return `${found.outcome}${of}`;
    }
    case 'unknown':
      return `unknown: ${found.why}`;
    case 'not-found':
    case 'expired':
      return found.kind;
  }
}

function bqualsIn(words: Words): readonly Bqual[] {
  return words.branches().map(({ bqual }) => bqual);
}

/** `expired`, `decided accounts=e1 orders=e2`, with `settled` before the branches if its end is durable. */
function logged(gtrid: Gtrid, words: Words): LoggedOutcome {
  if (words.may('expired')) {
    return { kind: 'expired' };
  }
  words.expect('decided');
  const settled = words.may('settled');
  const record = { kind: 'decided', gtrid, branches: words.rest().map(decidedBranch), requestId: '' } as const;
  return { kind: 'decided', record, finished: settled, settled };
}

/** `operator forget`, `operator branch-committed orders`, `damage orders committed`. */
function historic(gtrid: Gtrid, words: Words): LogRecord {
  if (words.may('damage')) {
    const { bqual } = words.branch();
    const kind = words.next() as 'committed' | 'rolled-back' | 'unproven';
    return { kind: 'heuristic', gtrid, decision: 'rollback', damage: [{ bqual, kind, proof: 'as told' }] };
  }
  words.expect('operator');
  const action = words.next() as Extract<LogRecord, { kind: 'operator-action' }>['action'];
  const by = { operator: 'ops', reason: 'saw it in the table', requestId: '', wallTime: 0 };
  return { kind: 'operator-action', gtrid, action, ...by, ...(words.more && { bqual: words.branch().bqual }) };
}
