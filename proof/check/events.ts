// Every event that the world can bring to the coordinator, numbered, so that a step is looked up instead of made again.

import type { ClaimedBranch, Event, Verb } from '../../src/coordinator/engine/event.ts';
import { type Evidence, NO_EVIDENCE } from '../../src/xa/evidence.ts';
import type { FinishResult, Vote } from '../../src/xa/vocabulary.ts';
import type { Bqual } from '../../src/xa/xid.ts';
import { Claim } from './layout.ts';
import { CALLS, MAIL, REPORT } from './mail.ts';
import { bqualOf, evidenceOf, instanceNumber, instanceOf, PROOF, REASON } from './names.ts';

export const VERBS = ['commit', 'rollback', 'commit-one-phase'] as const satisfies readonly Verb[];

/** The events of one branch, besides reports. Lists are by instance, or by verb. */
interface BranchEvents {
  readonly retry: number;
  readonly enlist: readonly number[];
  /** One phase could be told to nobody: by the instance that it was for, -1 where none was named. */
  readonly untold: ReadonlyMap<number, number>;
  /** A call whose answer has not come in time; or that says that it could not be carried out yet, or that nothing is known. */
  readonly unanswered: readonly number[];
  readonly notYet: readonly number[];
  readonly unknown: readonly number[];
  readonly rolledBack: number;
  readonly others: readonly number[];
}

const CLAIM_BITS = 3;

/** What any instance may tell of the second opening. */
const TOLD_OF_SECOND = [REPORT.yes[1][1], REPORT.found[1][1]];

export function claimsNumber(branches: number, claimOf: (branch: number) => number): number {
  let claims = 0;
  for (let branch = 0; branch < branches; branch += 1) {
    claims |= claimOf(branch) << (branch * CLAIM_BITS);
  }
  return claims;
}

export class Events {
  readonly #numbers = new Map<string, number>();
  readonly #events: Event[] = [];
  readonly #commits: number[] = [];
  readonly #rollbacks: number[] = [];
  /** By branch and message: the event of a report; -1 for a call. */
  readonly reports: readonly (readonly number[])[];
  /** The same of the second opening, when the first of two instances that live at the same time tells of it. */
  readonly #ofFirst: readonly ReadonlyMap<number, number>[];
  readonly branches: readonly BranchEvents[];
  readonly deadline: number;
  readonly clientLost: number;
  readonly rollbackOnly: number;

  constructor(branches: number, hasTwo: boolean) {
    const all = Array.from({ length: branches }, (_, branch) => branch);
    this.reports = all.map((branch) =>
      MAIL.map((mail, number) => (number < CALLS ? -1 : this.number(this.#report(branch, mail)))),
    );
    this.#ofFirst = all.map(
      (branch) =>
        new Map(hasTwo ? TOLD_OF_SECOND.map((number) => [number, this.number(this.#ofSecond(branch, number))]) : []),
    );
    this.branches = all.map((branch) => this.#ofBranch(branch));
    this.deadline = this.number({ kind: 'deadline', reason: REASON });
    this.clientLost = this.number({ kind: 'client-lost', reason: REASON });
    this.rollbackOnly = this.number({ kind: 'rollback-only-requested', reason: REASON });
    this.number({ kind: 'operator-rollback', reason: REASON });
    this.number({ kind: 'decision-durable' });
    for (const claim of [Claim.none, Claim.first]) {
      const claims = claimsNumber(branches, () => claim);
      this.request('commit', claims);
      this.request('rollback', claims);
    }
  }

  get size(): number {
    return this.#events.length;
  }

  /** The event of a report. `isOfFirst`: of the first of two instances, whose mail speaks of the second opening by the same bits. */
  report(branch: number, mail: number, isOfFirst: boolean): number {
    const told = isOfFirst ? this.#ofFirst[branch]?.get(mail) : undefined;
    return told ?? this.reports[branch]?.[mail] ?? -1;
  }

  /** Every event of a report: the branch, the bit of the message, and its number. */
  *allReports(): Generator<{ readonly branch: number; readonly mail: number; readonly event: number }> {
    for (const [branch, reports] of this.reports.entries()) {
      for (const [mail, event] of reports.entries()) {
        if (mail >= CALLS) {
          yield { branch, mail, event };
        }
      }
      for (const [mail, event] of this.#ofFirst[branch] ?? []) {
        yield { branch, mail, event };
      }
    }
  }

  #ofSecond(branch: number, mail: number): Event {
    return this.#report(branch, MAIL[mail] ?? '', 0);
  }

  number(event: Event): number {
    const key = JSON.stringify(event);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#events.length;
      this.#numbers.set(key, number);
      this.#events.push(event);
    }
    return number;
  }

  /** @throws {Error} there is no such event. */
  get(number: number): Event {
    const event = this.#events[number];
    if (event === undefined) {
      throw new Error(`no event has number ${number}`);
    }
    return event;
  }

  /** What the client asks for. `claims`: one of `Claim` for each branch, as `claimsNumber` packs them. */
  request(what: 'commit' | 'rollback', claims: number): number {
    const requests = what === 'commit' ? this.#commits : this.#rollbacks;
    let number = requests[claims];
    if (number === undefined) {
      const claimed = this.reports.flatMap((_, branch) =>
        claimedBranch((claims >>> (branch * CLAIM_BITS)) & 7, branch),
      );
      number = this.number(
        what === 'commit'
          ? { kind: 'commit-requested', claimed, requestId: 'r1' }
          : { kind: 'rollback-requested', claimed, reason: REASON },
      );
      requests[claims] = number;
    }
    return number;
  }

  #ofBranch(branch: number): BranchEvents {
    const bqual = bqualOf(branch);
    const instances = [instanceOf(branch, 0), instanceOf(branch, 1)];
    const result = (kind: 'unknown' | 'not-yet'): readonly number[] =>
      VERBS.map((verb) =>
        this.number({ kind: 'branch-result', bqual, verb, evidence: NO_EVIDENCE, result: { kind, reason: REASON } }),
      );
    return {
      retry: this.number({ kind: 'retry-due', bqual }),
      enlist: instances.map((instance) => this.number({ kind: 'enlist-requested', bqual, instance })),
      untold: new Map(
        [undefined, ...instances].map((instance) => [
          instanceNumber(instance),
          this.number(unanswered(bqual, 'commit-one-phase', instance)),
        ]),
      ),
      unanswered: VERBS.map((verb) => this.number({ ...unanswered(bqual, verb, undefined), wasTold: true })),
      notYet: result('not-yet'),
      unknown: result('unknown'),
      rolledBack: this.number({
        kind: 'branch-result',
        bqual,
        verb: 'rollback',
        evidence: NO_EVIDENCE,
        result: { kind: 'done' },
      }),
      others: [
        this.number({ kind: 'damage-durable', bqual }),
        this.number({ kind: 'operator-vouched', bqual, end: 'committed', proof: PROOF }),
        this.number({ kind: 'operator-vouched', bqual, end: 'rolled-back', proof: PROOF }),
      ],
    };
  }

  #report(branch: number, mail: string, speaker?: number): Event {
    const bqual = bqualOf(branch);
    const [what = '', first = '', second] = mail.split(' ');
    const instance = instanceOf(branch, speaker ?? Number(first) - 1);
    const opening = second ?? `e${first}`;
    const evidence = evidenceOf(branch, opening === 'e1' ? 1 : 2);
    switch (what) {
      case 'opened':
        return { kind: 'branch-opened', bqual, instance, evidence };
      case 'yes':
      case 'no':
      case 'read-only':
        return { kind: 'vote', bqual, instance, vote: vote(what, evidence) };
      case 'found':
        return { kind: 'branch-found', bqual, instance, evidence };
      case 'evidence':
        return { kind: 'one-phase-evidence', bqual, instance, evidence };
      default: {
        const verb = what === 'one-phase' ? 'commit-one-phase' : (what as Verb);
        return { kind: 'branch-result', bqual, verb, evidence: NO_EVIDENCE, result: result(first) };
      }
    }
  }
}

function unanswered(bqual: Bqual, verb: Verb, instance: string | undefined): Extract<Event, { kind: 'unanswered' }> {
  return { kind: 'unanswered', wasTold: false, verb, bqual, instance, evidence: NO_EVIDENCE, reason: REASON };
}

function vote(what: 'yes' | 'no' | 'read-only', evidence: Evidence): Vote {
  switch (what) {
    case 'yes':
      return { kind: 'prepared', evidence };
    case 'no':
      return { kind: 'rollback', reason: REASON };
    case 'read-only':
      return { kind: 'read-only' };
  }
}

/** @throws {Error} there is no such result. */
function result(kind: string): FinishResult {
  switch (kind) {
    case 'done':
      return { kind };
    case 'done-otherwise':
      return { kind, proof: PROOF };
    case 'unproven':
      return { kind, reason: REASON };
    default:
      throw new Error(`no result is called ${kind}`);
  }
}

function claimedBranch(claim: number, branch: number): readonly ClaimedBranch[] {
  switch (claim) {
    case Claim.none:
      return [];
    case Claim.first:
    case Claim.second:
      return [{ bqual: bqualOf(branch), instance: instanceOf(branch, claim === Claim.first ? 0 : 1) }];
    default:
      return [{ bqual: bqualOf(branch), instance: undefined }];
  }
}
