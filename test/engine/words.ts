// The words of the scripts: one line is one event, or something done to the world around the engine.
import type { ClaimedBranch, Event, Verb } from '../../src/coordinator/engine/event.ts';
import type { Resolution } from '../../src/coordinator/engine/operator.ts';
import type { DecidedBranch } from '../../src/log/record.ts';
import { type Evidence, NO_EVIDENCE, type Opening, rowEvidence } from '../../src/xa/evidence.ts';
import type { Decision, FinishResult, Reason, Vote } from '../../src/xa/vocabulary.ts';
import { type Bqual, parseBqual, resourceOf } from '../../src/xa/xid.ts';

export type Action =
  | { readonly kind: 'event'; readonly event: Event }
  /** What is being written reaches the disk, and the engine hears of it. */
  | { readonly kind: 'durable' }
  | { readonly kind: 'damage-durable'; readonly bqual: Bqual }
  /** The process dies. What was being written is lost, or is there: both can be. */
  | { readonly kind: 'crash'; readonly written: boolean }
  /** An operator's action reaches the log; `heard`: and at once the engine. */
  | {
      readonly kind: 'operator';
      readonly bqual: Bqual | undefined;
      readonly end: 'committed' | 'rolled-back';
      readonly heard: boolean;
    }
  | { readonly kind: 'judge'; readonly resolution: Resolution; readonly reachable: boolean }
  /** A record that is in the log for whatever reason: damage that was written twice, or whose decision is missing. */
  | { readonly kind: 'log-holds'; readonly decision: Decision; readonly bqual: Bqual }
  /** A decision of an earlier life, all of whose branches are accounted for. */
  | { readonly kind: 'long-ago'; readonly branches: readonly DecidedBranch[] }
  /** Enlists `stock.1` to `stock.<count>`, for cases about limits. */
  | { readonly kind: 'fill'; readonly count: number };

export const VOUCHED = 'an operator vouched for it: saw it in the table';

/** Where the resources of the scripts are at home: `orders` alone means `orders@i2`. */
const HOME: Readonly<Record<string, string>> = { accounts: 'i1', orders: 'i2', stock: 'i3' };

/** @throws {Error} the line is not in the vocabulary. */
export function parseLine(line: string): Action {
  const words = new Words(line);
  const action = parse(words);
  words.end();
  return action;
}

function parse(words: Words): Action {
  const verb = words.next();
  switch (verb) {
    case 'durable':
      return { kind: 'durable' };
    case 'damage':
      words.expect('durable');
      return { kind: 'damage-durable', bqual: words.branch().bqual };
    case 'crash':
      return { kind: 'crash', written: words.may('written') };
    case 'operator':
      return operator(words);
    case 'judge':
      return judge(words);
    case 'log-holds':
      words.expect('heuristic');
      return { kind: 'log-holds', decision: words.next() as Decision, bqual: words.branch().bqual };
    case 'long-ago':
      return { kind: 'long-ago', branches: words.rest().map(decidedBranch) };
    case 'fill':
      return { kind: 'fill', count: Number(words.next()) };
    default:
      return { kind: 'event', event: parseEvent(verb, words) };
  }
}

export function parseEvent(verb: string, words: Words): Event {
  switch (verb) {
    case 'enlist':
      return { kind: 'enlist-requested', ...words.branch() };
    case 'opened':
      return { kind: 'branch-opened', ...words.held(), evidence: evidenceOf(words.optional()) };
    case 'commit': {
      const requestId = words.may('as') ? words.next() : '';
      return { kind: 'commit-requested', claimed: words.branches(), requestId };
    }
    case 'rollback':
      return { kind: 'rollback-requested', claimed: words.branches(), reason: reason('TXN_ROLLED_BACK') };
    case 'rollback-only':
      return { kind: 'rollback-only-requested', reason: reason('ROLLBACK_ONLY') };
    case 'deadline':
      return { kind: 'deadline', reason: reason('TXN_TIMEOUT') };
    case 'client-lost':
      return { kind: 'client-lost', reason: reason('CLIENT_LOST') };
    case 'vote':
      return { kind: 'vote', ...words.held(), vote: vote(words) };
    case 'evidence':
      return { kind: 'one-phase-evidence', ...words.held(), evidence: evidenceOf(words.next()) };
    case 'untold':
      return { kind: 'unanswered', wasTold: false, ...unanswered(words) };
    case 'unanswered':
      return { kind: 'unanswered', wasTold: true, ...unanswered(words) };
    case 'result':
      return { kind: 'branch-result', ...branchResult(words) };
    case 'retry-due':
      return { kind: 'retry-due', bqual: words.branch().bqual };
    case 'found':
      return { kind: 'branch-found', ...words.held(), evidence: evidenceOf(words.optional()) };
    case 'operator-rollback':
      return { kind: 'operator-rollback', reason: reason('TXN_ROLLED_BACK') };
    case 'vouched': {
      const { bqual } = words.branch();
      return { kind: 'operator-vouched', bqual, end: words.next() as 'committed' | 'rolled-back', proof: VOUCHED };
    }
    default:
      throw new Error(`no such event: ${verb}`);
  }
}

function vote(words: Words): Vote {
  const kind = words.next();
  switch (kind) {
    case 'prepared':
      return { kind, evidence: evidenceOf(words.optional()) };
    case 'read-only':
      return { kind };
    case 'no':
      return { kind: 'rollback', reason: reason(words.optional() || 'BRANCH_VOTED_NO') };
    default:
      throw new Error(`no such vote: ${kind}`);
  }
}

/** `result orders rollback done`, and whose it is where the call named an opening: `result orders rollback of e2 done`. */
function branchResult(words: Words): Omit<Extract<Event, { kind: 'branch-result' }>, 'kind'> {
  const { bqual } = words.branch();
  const verb = words.next() as Verb;
  const evidence = evidenceOf(words.may('of') ? words.next() : '');
  return { bqual, verb, evidence, result: result(words) };
}

/** `untold accounts`, of one phase; of another call `untold accounts rollback`, and where it named an opening `untold accounts rollback of e2`. */
function unanswered(words: Words): Omit<Extract<Event, { kind: 'unanswered' }>, 'kind' | 'wasTold'> {
  const branch = words.branch();
  const verb = (words.optional() || 'commit-one-phase') as Verb;
  const evidence = evidenceOf(words.may('of') ? words.next() : '');
  return { ...branch, verb, evidence, reason: reason('RESOURCE_UNAVAILABLE') };
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
      return { kind, reason: reason(words.optional() || 'BRANCH_UNKNOWN') };
    default:
      throw new Error(`no such result: ${kind}`);
  }
}

/** `operator rolls-back`, `operator vouches orders committed`, `operator records orders committed`: the engine hears later. */
function operator(words: Words): Action {
  const verb = words.next();
  if (verb === 'rolls-back') {
    return { kind: 'operator', bqual: undefined, end: 'rolled-back', heard: true };
  }
  const { bqual } = words.branch();
  return { kind: 'operator', bqual, end: words.next() as 'committed' | 'rolled-back', heard: verb === 'vouches' };
}

function judge(words: Words): Action {
  const what = words.next();
  if (what === 'rollback' || what === 'forget' || what === 'commit') {
    return { kind: 'judge', resolution: { kind: what }, reachable: false };
  }
  const resolution = { kind: 'branch', bqual: bqual(what), end: words.next() as 'committed' | 'rolled-back' } as const;
  return { kind: 'judge', resolution, reachable: words.may('reachable') };
}

export function reason(code: string): Reason {
  return { code, message: 'as told', retryable: true };
}

/** The scripts call an opening by a word of their own, and speak of evidence of its row. */
export function evidenceOf(word: string): Evidence {
  return word === '' ? NO_EVIDENCE : rowEvidence(word as string as Opening);
}

export function decidedBranch(text: string): DecidedBranch {
  const [name = '', evidence = ''] = text.split('=');
  return { bqual: bqual(name), evidence: evidenceOf(evidence) };
}

function bqual(text: string): Bqual {
  const parsed = parseBqual(text);
  if (parsed === undefined) {
    throw new Error(`not a branch: ${text}`);
  }
  return parsed;
}

export class Words {
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

  get more(): boolean {
    return this.#words.length > 0;
  }

  optional(): string {
    return this.#words.shift() ?? '';
  }

  may(word: string): boolean {
    const isThere = this.#words[0] === word;
    if (isThere) {
      this.#words.shift();
    }
    return isThere;
  }

  expect(word: string): void {
    if (!this.may(word)) {
      throw new Error(`expected ${word}`);
    }
  }

  /** `orders`, `orders@i7`, or `orders@?`: no instance is known. */
  branch(): ClaimedBranch {
    const [name = '', instance] = this.next().split('@');
    const parsed = bqual(name);
    return { bqual: parsed, instance: instance === '?' ? undefined : (instance ?? HOME[resourceOf(parsed)] ?? 'i9') };
  }

  /** Whoever speaks of a branch has a name. */
  held(): { readonly bqual: Bqual; readonly instance: string } {
    const { bqual, instance } = this.branch();
    if (instance === undefined) {
      throw new Error(`who speaks of ${bqual}?`);
    }
    return { bqual, instance };
  }

  branches(): readonly ClaimedBranch[] {
    const branches: ClaimedBranch[] = [];
    while (this.#words.length > 0) {
      const branch = this.branch();
      branches.push(this.may('asked') ? { ...branch, asked: true } : branch);
    }
    return branches;
  }

  rest(): readonly string[] {
    return this.#words.splice(0);
  }

  end(): void {
    if (this.#words.length > 0) {
      throw new Error(`left over: ${this.#words.join(' ')}`);
    }
  }
}
