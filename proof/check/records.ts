// The log: what is durable, and what is being written, in order. Every content that turns up has a number.
import type { Event } from '../../src/coordinator/engine/event.ts';
import { Ledger } from '../../src/log/ledger.ts';
import type { LoggedOutcome, LogRecord } from '../../src/log/record.ts';
import { branchOf, GTRID, IDENTITY, PROOF, REASON, rename } from './names.ts';

interface Content {
  readonly durable: readonly LogRecord[];
  /** A prefix of it is on the disk when the process dies. */
  readonly writing: readonly LogRecord[];
}

export interface Written {
  readonly log: number;
  readonly event: Event | undefined;
}

/** What the checker asks of a content again and again. */
export interface Facts {
  /** A bit for each branch that a durable decision names; 0: there is none. */
  readonly decided: number;
  /** The same of a decision that is being written. */
  readonly deciding: number;
  readonly isFinished: boolean;
  readonly isFinishedDurable: boolean;
  /** Branches whose damage is recorded, or that an operator vouched for, or that are about to be. */
  readonly damaged: number;
  readonly vouched: number;
  readonly writing: number;
  /** How the durable records contradict each other. */
  readonly problem: string | undefined;
}

export class Logs {
  readonly #numbers = new Map<string, number>();
  readonly #contents: Content[] = [];
  readonly #facts: Facts[] = [];
  readonly #written = new Map<number, Written>();
  readonly #outcomes: number[] = [];
  readonly #outcomeNumbers = new Map<string, number>();

  /** 0: the empty log. */
  constructor() {
    this.#intern({ durable: [], writing: [] });
  }

  get size(): number {
    return this.#contents.length;
  }

  facts(log: number): Facts {
    return this.#facts[log] ?? NO_FACTS;
  }

  content(log: number): Content {
    return this.#contents[log] ?? { durable: [], writing: [] };
  }

  append(log: number, record: LogRecord): number {
    const { durable, writing } = this.content(log);
    return this.#intern({ durable, writing: [...writing, record] });
  }

  /** The oldest write is on stable storage; `event` tells of it. */
  written(log: number): Written | undefined {
    const known = this.#written.get(log);
    const [first, ...rest] = known === undefined ? this.content(log).writing : [];
    if (first === undefined) {
      return known;
    }
    const { durable } = this.content(log);
    const written = { log: this.#intern({ durable: [...durable, first], writing: rest }), event: eventOf(first) };
    this.#written.set(log, written);
    return written;
  }

  /** The process died when the first `kept` writes were on the disk. */
  crashed(log: number, kept: number): number {
    const { durable, writing } = this.content(log);
    return this.#intern({ durable: [...durable, ...writing.slice(0, kept)], writing: [] });
  }

  renamed(log: number, order: readonly number[]): number {
    return this.#intern(rename(this.content(log), order));
  }

  /** What the log hands over at a start: by its own ledger. */
  unfinished(log: number): readonly LogRecord[] {
    return ledgerOf(this.content(log).durable).ledger.unfinished();
  }

  /** As production's logs say it: from the moment of the append. */
  outcome(log: number): LoggedOutcome {
    const { durable, writing } = this.content(log);
    const item = ledgerOf([...durable, ...writing]).ledger.transaction(GTRID);
    const record = item?.decided?.record;
    return record?.kind === 'decided'
      ? { kind: 'decided', record, finished: item?.finished !== undefined, settled: this.facts(log).isFinishedDurable }
      : { kind: 'silent' };
  }

  /** Contents that say the same of the transaction's end have the same number. */
  outcomeNumber(log: number): number {
    let number = this.#outcomes[log];
    if (number === undefined) {
      const key = JSON.stringify([this.outcome(log), this.facts(log).isFinishedDurable]);
      number = this.#outcomeNumbers.get(key) ?? this.#outcomeNumbers.size;
      this.#outcomeNumbers.set(key, number);
      this.#outcomes[log] = number;
    }
    return number;
  }

  #intern(content: Content): number {
    const canonical = { durable: content.durable.map(sorted), writing: content.writing.map(sorted) };
    const key = JSON.stringify(canonical);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#contents.length;
      this.#numbers.set(key, number);
      this.#contents.push(canonical);
      this.#facts.push(factsOf(canonical));
    }
    return number;
  }
}

const NO_FACTS: Facts = {
  decided: 0,
  deciding: 0,
  isFinished: false,
  isFinishedDurable: false,
  damaged: 0,
  vouched: 0,
  writing: 0,
  problem: undefined,
};

/** Records as production's own ledger understands them. */
function ledgerOf(durable: readonly LogRecord[]): { readonly ledger: Ledger; readonly problem: string | undefined } {
  const ledger = new Ledger(IDENTITY);
  let problem: string | undefined;
  for (const [index, record] of durable.entries()) {
    problem ??= ledger.add({ sequence: index + 1, record }, { place: index + 1, epoch: EPOCH_MAX });
  }
  return { ledger, problem };
}

/** Later than every life that the checker knows. */
const EPOCH_MAX = 9;

/** Branches in the order of their names: which one was opened first makes no difference to anything. */
function sorted(record: LogRecord): LogRecord {
  return record.kind === 'decided'
    ? { ...record, branches: [...record.branches].sort((one, other) => (one.bqual < other.bqual ? -1 : 1)) }
    : record;
}

function factsOf(content: Content): Facts {
  const { durable, writing } = content;
  const all = [...durable, ...writing];
  let damaged = 0;
  let vouched = 0;
  for (const record of all) {
    if (record.kind === 'heuristic') {
      damaged |= maskOf(record.damage);
    } else if (record.kind === 'operator-action' && record.bqual !== undefined) {
      vouched |= 1 << branchOf(record.bqual);
    }
  }
  return {
    decided: decidedBy(durable),
    deciding: decidedBy(writing),
    isFinished: all.some(({ kind }) => kind === 'finished'),
    isFinishedDurable: durable.some(({ kind }) => kind === 'finished'),
    damaged,
    vouched,
    writing: writing.length,
    problem: ledgerOf(content.durable).problem,
  };
}

function decidedBy(records: readonly LogRecord[]): number {
  const decided = records.find((record) => record.kind === 'decided');
  return decided === undefined ? 0 : maskOf(decided.branches);
}

export function maskOf(branches: readonly { readonly bqual: string }[]): number {
  return branches.reduce((mask, { bqual }) => mask | (1 << branchOf(bqual)), 0);
}

/** What the coordinator hears when a record is durable. */
function eventOf(record: LogRecord): Event | undefined {
  switch (record.kind) {
    case 'decided':
      return { kind: 'decision-durable' };
    case 'heuristic': {
      const [damage] = record.damage;
      return damage === undefined ? undefined : { kind: 'damage-durable', bqual: damage.bqual };
    }
    case 'operator-action': {
      const { bqual, action } = record;
      if (bqual === undefined) {
        return { kind: 'operator-rollback', reason: REASON };
      }
      return {
        kind: 'operator-vouched',
        bqual,
        end: action === 'branch-committed' ? 'committed' : 'rolled-back',
        proof: PROOF,
      };
    }
    default:
      return undefined;
  }
}
