// A model of databases and their participants: what really happens to the work of a transaction, whoever is told what about it.

import type { Event, Verb } from '../../../src/coordinator/engine/event.ts';
import { type Evidence, isSameEvidence, type Opening, rowEvidence } from '../../../src/xa/evidence.ts';
import type { FinishResult, Reason, Vote } from '../../../src/xa/vocabulary.ts';
import type { Bqual } from '../../../src/xa/xid.ts';

/** One opening of a branch, at an instance of its own. A branch that is opened a second time has two of them. */
export interface Life {
  readonly bqual: Bqual;
  readonly instance: string;
  readonly opening: Opening;
  readonly evidence: Evidence;
  readonly wrote: boolean;
  status: 'active' | 'prepared' | 'committed' | 'rolled-back' | 'read-only';
  /** An administrator ended it, against or without the coordinator. */
  byHand: boolean;
}

const REASON: Reason = { code: 'BRANCH_UNKNOWN', message: 'as the model says', retryable: true };

export class Participants {
  readonly lives: Life[] = [];
  /** Evidence that the engine has lost, by a restore of an old copy: it proves nothing any more. */
  readonly #forgotten: Evidence[] = [];
  readonly #dead = new Set<string>();

  isDead(instance: string): boolean {
    return this.#dead.has(instance);
  }

  open(bqual: Bqual, wrote: boolean): Life {
    const n = this.lives.filter((life) => life.bqual === bqual).length + 1;
    const opening = `e${bqual}${n}` as string as Opening;
    const names = { bqual, instance: `${bqual}-${n}`, opening, evidence: rowEvidence(opening) };
    const life: Life = { ...names, wrote, status: 'active', byHand: false };
    this.lives.push(life);
    return life;
  }

  /** What the engine lists under a name: each opening stands by itself. */
  prepared(bqual: Bqual): readonly Life[] {
    return this.lives.filter((life) => life.bqual === bqual && life.status === 'prepared');
  }

  /** Nothing was forgotten. */
  get remembersAll(): boolean {
    return this.#forgotten.length === 0;
  }

  forget(evidence: Evidence): void {
    this.#forgotten.push(evidence);
  }

  /** A participant votes on what it holds; on what it does not hold, by what its engine lists. */
  prepare(bqual: Bqual, instance: string): Vote {
    const life = this.#at(bqual, instance);
    switch (life?.status) {
      case 'active':
        return this.#prepareActive(life);
      case 'read-only':
        return { kind: 'read-only' };
      case 'rolled-back':
        return { kind: 'rollback', reason: REASON };
      default: {
        const [prepared, second] = this.prepared(bqual);
        return prepared === undefined || second !== undefined
          ? { kind: 'rollback', reason: REASON }
          : { kind: 'prepared', evidence: prepared.evidence };
      }
    }
  }

  /** What is said to a call at `instance`: by its participant; for `opener`, if that is gone, by the driver, which asks nobody else then. */
  finish(bqual: Bqual, instance: string, verb: Verb, evidence: Evidence, opener: string | undefined): Event {
    const held = this.#at(bqual, instance);
    if (verb === 'commit-one-phase' && evidence.kind === 'none') {
      if (held?.status === 'prepared' || (held?.status === 'active' && held.wrote)) {
        return { kind: 'one-phase-evidence', bqual, instance, evidence: held.evidence };
      }
      if (held === undefined) {
        return { kind: 'vote', bqual, instance: opener || instance, vote: { kind: 'rollback', reason: REASON } };
      }
    }
    return { kind: 'branch-result', bqual, verb, evidence, result: this.#finish(bqual, instance, verb, evidence) };
  }

  #finish(bqual: Bqual, instance: string, verb: Verb, evidence: Evidence): FinishResult {
    const held = this.#at(bqual, instance);
    switch (verb) {
      case 'commit':
        return held?.status === 'active' && isSameEvidence(held.evidence, evidence)
          ? { kind: 'not-yet', reason: REASON }
          : this.#commit(bqual, evidence);
      case 'rollback':
        return this.#rollback(bqual, held, evidence);
      case 'commit-one-phase':
        return this.#commitOnePhase(bqual, held, evidence);
    }
  }

  /** The instance dies: what it has not prepared is rolled back with its session, and nobody is told. */
  crash(instance: string): void {
    this.#dead.add(instance);
    for (const life of this.lives) {
      if (life.instance === instance && life.status === 'active') {
        life.status = 'rolled-back';
      }
    }
  }

  #at(bqual: Bqual, instance: string): Life | undefined {
    return this.lives.find((life) => life.bqual === bqual && life.instance === instance);
  }

  #prepareActive(life: Life): Vote {
    if (!life.wrote) {
      life.status = 'read-only';
      return { kind: 'read-only' };
    }
    life.status = 'prepared';
    return { kind: 'prepared', evidence: life.evidence };
  }

  /** A participant commits the opening that the decision names, and no other. */
  #commit(bqual: Bqual, evidence: Evidence): FinishResult {
    const prepared = this.prepared(bqual).find((life) => isSameEvidence(life.evidence, evidence));
    if (prepared !== undefined) {
      prepared.status = 'committed';
      return { kind: 'done' };
    }
    return this.#proof(evidence, 'committed');
  }

  /** Rolls back the opening that is named, or without evidence whatever bears the name. */
  #rollback(bqual: Bqual, held: Life | undefined, evidence: Evidence): FinishResult {
    const open = [...(held?.status === 'active' ? [held] : []), ...this.prepared(bqual)];
    const meant = open.filter((life) => evidence.kind === 'none' || isSameEvidence(evidence, life.evidence));
    if (meant.length > 0) {
      for (const life of meant) {
        life.status = 'rolled-back';
      }
      return { kind: 'done' };
    }
    const proof = this.#proof(evidence, 'rolled-back');
    return proof.kind === 'unproven' ? { kind: 'done' } : proof;
  }

  #commitOnePhase(bqual: Bqual, held: Life | undefined, evidence: Evidence): FinishResult {
    switch (held?.status) {
      case 'active':
        held.status = held.wrote ? 'committed' : 'read-only';
        return { kind: 'done' };
      case 'read-only':
      case 'committed':
        return { kind: 'done' };
      case 'rolled-back':
        return { kind: 'done-otherwise', proof: 'the branch was rolled back' };
      default:
        return this.#commit(bqual, evidence);
    }
  }

  #proof(evidence: Evidence, asked: 'committed' | 'rolled-back'): FinishResult {
    const life = this.#forgotten.some((lost) => isSameEvidence(lost, evidence))
      ? undefined
      : this.lives.find((other) => isSameEvidence(other.evidence, evidence));
    if (life === undefined || (life.status !== 'committed' && life.status !== 'rolled-back')) {
      return { kind: 'unproven', reason: REASON };
    }
    return life.status === asked
      ? { kind: 'done' }
      : { kind: 'done-otherwise', proof: `${life.opening} is ${life.status}` };
  }
}
