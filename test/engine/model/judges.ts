// The judges: they know what really happened to the work, and hold every step of the engine against the invariants.

import { isDeepStrictEqual } from 'node:util';
import type { Effect, Event, Step } from '../../../src/coordinator/engine/event.ts';
import type { State } from '../../../src/coordinator/engine/state.ts';
import { step } from '../../../src/coordinator/engine/step.ts';
import type { LogRecord } from '../../../src/log/record.ts';
import { type Evidence, isSameEvidence, openingOf } from '../../../src/xa/evidence.ts';
import type { Bqual } from '../../../src/xa/xid.ts';
import { told } from '../trace.ts';
import type { Life, Participants } from './participants.ts';

type Decided = Extract<LogRecord, { kind: 'decided' }>;

export class Judges {
  readonly #participants: Participants;
  /** What the client names in its commit request: its first openings. */
  readonly claimed = new Set<Life>();
  readonly enlisted = new Set<Life>();
  /** Openings that the coordinator has heard of in this life, from the instances that made them. */
  readonly #heard = new Set<Life>();
  /** Names that were found prepared. Of a found branch nobody can tell which opening it is, as long as none has voted. */
  readonly #found = new Set<Bqual>();
  /** Everything that anybody was told, in order. */
  readonly answers: string[] = [];
  /** A branch that was told to commit in one phase needs no record. */
  isOnePhase = false;
  /**
   * A restart after a commit that left no record: the log is silent, and a branch that nobody claimed, found afterwards, passes for
   * the transaction. The coordinator cannot know better; what it tells of it from then on is not judged.
   */
  #isForgotten = false;
  /** Somebody proved to the engine that a branch is committed that was to be rolled back. */
  damageProven = false;
  commitRequested = false;

  constructor(participants: Participants) {
    this.#participants = participants;
  }

  restarted(decided: Decided | undefined): void {
    const isSilent = decided === undefined && (this.isOnePhase || this.answers.includes('committed'));
    this.#isForgotten ||= isSilent && this.#participants.lives.some((life) => !this.claimed.has(life));
    this.isOnePhase = false;
    this.#heard.clear();
    this.#found.clear();
    this.damageProven = false; // What was not written yet is not known any more, and nobody asks a branch that is gone.
  }

  heard(event: Event): void {
    if (event.kind === 'branch-opened' || event.kind === 'vote' || event.kind === 'branch-found') {
      for (const life of this.#participants.lives) {
        if (event.bqual === life.bqual && event.instance === life.instance) {
          this.#heard.add(life);
        }
      }
    }
    if (event.kind === 'branch-found') {
      this.#found.add(event.bqual);
    }
  }

  checkEffect(effect: Effect, state: State, durable: readonly LogRecord[]): void {
    const decided = durable.find((record) => record.kind === 'decided');
    switch (effect.kind) {
      case 'finish':
        if (effect.verb === 'commit-one-phase') {
          if (!this.isOnePhase) {
            this.#checkHeard();
          }
          this.isOnePhase = true;
          check(decided === undefined, 'D1', 'one phase is for what has no decision');
          check(this.claimed.size <= 1, 'D3', `one phase with ${this.claimed.size} branches`);
        } else if (effect.verb === 'commit') {
          const isNamed = decided?.branches.some(({ bqual }) => bqual === effect.bqual) ?? false;
          check(isNamed, 'D1', `${effect.bqual} is told to commit, and no durable decision names it`);
        }
        return;
      case 'decide':
        this.#checkDecision(effect.record);
        return;
      case 'finished':
        for (const { evidence } of decided?.branches ?? []) {
          check(
            this.#byEvidence(evidence)?.status === 'committed',
            'D7',
            `finished, but ${openingOf(evidence)} is not committed`,
          );
        }
        return;
      case 'answer': {
        const answer = told(state);
        check(answer !== undefined, 'D5', `an answer in state ${state.kind}`);
        if (!this.#isForgotten) {
          this.answers.push(answer ?? '');
          this.#checkAnswer(answer ?? '', decided);
        }
        return;
      }
      default:
        return;
    }
  }

  /** A rollback on its way to an engine must never meet the work that a durable decision names. */
  checkRollback(call: Extract<Effect, { kind: 'finish' }>, decided: Decided | undefined, carryOut: () => void): void {
    const named = (decided?.branches ?? []).map(({ evidence }) => this.#byEvidence(evidence));
    const before = named.map((life) => life?.status);
    carryOut();
    const killed = named.find((life, index) => life?.status === 'rolled-back' && before[index] !== 'rolled-back');
    check(killed === undefined, 'D2', `${call.verb} of ${call.bqual} rolled back ${killed?.opening}, which is decided`);
  }

  /** A state is data: what is left of it in JSON steps alike. */
  checkStable(before: State, event: Event, after: Step<State>): void {
    const again = step(throughJson(before), throughJson(event));
    check(isDeepStrictEqual(throughJson(again), throughJson(after)), 'pure', `state ${before.kind}, ${event.kind}`);
  }

  /** When faults have stopped and everything was delivered. */
  checkEnd(state: State | undefined, durable: readonly LogRecord[]): void {
    const decided = durable.find((record) => record.kind === 'decided');
    const { lives } = this.#participants;
    for (const life of lives) {
      const mayStay = this.#hidesBehindUnproven(life, state);
      check(life.status !== 'active' && (life.status !== 'prepared' || mayStay), 'D12', `${life.opening} is left`);
    }
    const isOver = state === undefined || state.kind === 'completed' || this.#waitsForProofOnly(state);
    check(isOver, 'D12', `the transaction is left ${state?.kind}`);
    const recorded = new Set(
      durable.flatMap((record) => (record.kind === 'heuristic' ? record.damage.map(({ bqual }) => bqual) : [])),
    );
    for (const { evidence } of decided?.branches ?? []) {
      const life = this.#byEvidence(evidence);
      const isAlike = life?.status === 'committed' || life?.byHand === true;
      check(isAlike, 'D4', `decided, but ${openingOf(evidence)} is ${life?.status}`);
    }
    for (const life of lives) {
      const isNamed = decided?.branches.some(({ evidence }) => isSameEvidence(evidence, life.evidence)) ?? false;
      const isOwn = isNamed || (decided === undefined && this.claimed.has(life) && this.claimed.size === 1);
      if (life.status === 'committed' && !life.byHand) {
        check(isOwn, 'D9', `${life.opening} is committed, and no decision is about it`);
      }
      if (decided !== undefined && this.claimed.has(life) && !life.byHand) {
        check(life.status !== 'rolled-back', 'D4', `decided, but the claimed ${life.opening} is rolled back`);
      }
    }
    check(recorded.size > 0 || !this.damageProven, 'D4', 'an engine proved damage that was not recorded');
    this.#checkLastAnswers(decided);
  }

  /** A decision is about everything that the coordinator has heard of, and about nothing else. */
  #checkHeard(): void {
    check(this.commitRequested, 'D3', 'a decision that nobody asked for');
    const unclaimed = [...this.#heard].find((life) => !this.claimed.has(life));
    check(unclaimed === undefined, 'D3', `decided, although ${unclaimed?.opening} was heard of and is not claimed`);
    const names = [...this.claimed].map(({ bqual }) => bqual);
    const stranger = [...this.#found].find((bqual) => !names.includes(bqual));
    check(stranger === undefined, 'D3', `decided, although ${stranger} was found and is not claimed`);
  }

  #checkDecision(record: Decided): void {
    this.#checkHeard();
    for (const { bqual, evidence } of record.branches) {
      const life = this.#byEvidence(evidence);
      const isClaimed = life !== undefined && this.claimed.has(life);
      check(
        isClaimed,
        'D3',
        `the decision names ${bqual} ${openingOf(evidence)}, which is not what the client claimed`,
      );
      check(
        life?.status === 'prepared' || life?.byHand === true,
        'D3',
        `${openingOf(evidence)} is ${life?.status}, not prepared`,
      );
    }
    for (const life of this.claimed) {
      const isNamed = record.branches.some(({ evidence }) => isSameEvidence(evidence, life.evidence));
      check(isNamed || life.status === 'read-only', 'D3', `the decision leaves out ${life.opening}: ${life.status}`);
    }
  }

  #checkAnswer(answer: string, decided: Decided | undefined): void {
    const lives = [...this.claimed];
    if (answer === 'committed') {
      const isEmpty = lives.every(({ status }) => status === 'read-only');
      const isOnePhase = lives.length === 1 && lives[0]?.status === 'committed';
      check(decided !== undefined || isEmpty || isOnePhase, 'D5', 'told committed, and nothing is durable');
    } else if (answer === 'rolled-back') {
      check(decided === undefined, 'D5', 'told rolled back, and a decision is durable');
      const committed = lives.find((life) => life.status === 'committed' && !life.byHand);
      check(committed === undefined, 'D5', `told rolled back, and ${committed?.opening} is committed`);
    } else if (answer === 'hazard' && this.isOnePhase) {
      const isProvable = this.#participants.remembersAll && !lives.some(({ byHand }) => byHand);
      check(!isProvable, 'D12', 'told of a hazard, and its engine can prove how the branch ended');
    }
    check(
      !(this.answers.includes('committed') && this.answers.includes('rolled-back')),
      'D5',
      `contradicting answers: ${this.answers.join(', ')}`,
    );
  }

  #checkLastAnswers(decided: Decided | undefined): void {
    const committed = [...this.claimed].find((life) => life.status === 'committed' && !life.byHand);
    if (this.answers.includes('rolled-back')) {
      check(committed === undefined, 'D5', `was told rolled back, and ${committed?.opening} is committed`);
      check(decided === undefined, 'D5', 'was told rolled back, and was decided');
    }
    if (this.answers.includes('committed')) {
      const lost = [...this.claimed].find((life) => life.status === 'rolled-back' && !life.byHand);
      check(lost === undefined, 'D5', `was told committed, and ${lost?.opening} is rolled back`);
    }
  }

  /** A second opening under the name of a decided branch whose end no engine proves: nobody may be told to roll back that name. */
  #hidesBehindUnproven(life: Life, state: State | undefined): boolean {
    const branches = state?.kind === 'committing' || state?.kind === 'completed' ? state.branches : [];
    return branches.some(({ bqual, evidence, status }) => {
      return bqual === life.bqual && !isSameEvidence(evidence, life.evidence) && status.kind !== 'proven';
    });
  }

  #waitsForProofOnly(state: State): boolean {
    return state.kind === 'committing' && state.branches.every(({ status }) => status.kind !== 'pending');
  }

  #byEvidence(evidence: Evidence): Life | undefined {
    return this.#participants.lives.find((life) => isSameEvidence(life.evidence, evidence));
  }
}

function throughJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

function check(holds: boolean, invariant: string, message: string): void {
  if (!holds) {
    throw new Error(`${invariant}: ${message}`);
  }
}
