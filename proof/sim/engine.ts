// A simulated database server: the memory engine, with evidence rows where it is of the MySQL family, and a memory for the judges.
import {
  MemoryEngine,
  type MemoryOutcome,
  type MemorySession,
  type MemoryTransaction,
} from '../../src/participants/memory/engine.ts';
import type { Evidence } from '../../src/xa/vocabulary.ts';
import type { Chance } from './chance.ts';

/** What proves an end: a number that the engine keeps by itself (PostgreSQL), or a row that is written with the branch (MySQL, MariaDB). */
export type Family = 'numbers' | 'markers';

export const MARKER = 'marker';

type Finish = (id: string, verb: 'commit' | 'rollback' | 'one-phase') => void;

export class SimEngine extends MemoryEngine {
  readonly name: string;
  readonly family: Family;
  /** Evidence rows by branch: the number of the transaction that wrote them. */
  readonly markers = new Map<string, number>();
  /** Called when a branch is finished at a participant's word: before it, if it was prepared. */
  onFinish: Finish = () => undefined;
  /** Called when the evidence row of a committed branch is deleted at a participant's word. */
  onForget: (id: string) => void = () => undefined;
  /** The newest transaction. */
  lastBegun: MemoryTransaction | undefined;

  constructor(name: string, family: Family, chance: Chance) {
    super(`${name}-${chance.base32(6)}`);
    this.name = name;
    this.family = family;
  }

  override begin(session: MemorySession, options: Parameters<MemoryEngine['begin']>[1]): MemoryTransaction {
    this.lastBegun = super.begin(session, options);
    return this.lastBegun;
  }

  /** What proves the end of a transaction; empty: it wrote nothing. */
  evidenceOf(transaction: MemoryTransaction | undefined): Evidence {
    if (transaction?.number === undefined) {
      return '';
    }
    return this.family === 'markers' ? MARKER : `memory:${transaction.number}`;
  }

  /** Writes the evidence row of a branch. False: another transaction has committed or holds a row with that key. */
  mark(tag: string, transaction: MemoryTransaction | undefined): boolean {
    const number = transaction?.number;
    if (this.family === 'numbers' || number === undefined) {
      return true;
    }
    const row = this.marker(tag);
    if (row === 'committed' || (row === 'in-progress' && this.markers.get(tag) !== number)) {
      return false;
    }
    this.markers.set(tag, number);
    return true;
  }

  /** What a reader of the evidence row finds: `in-progress` is a row that is locked. */
  marker(tag: string): MemoryOutcome | undefined {
    const number = this.markers.get(tag);
    return number === undefined ? undefined : this.outcome(number);
  }

  /** What this engine shows of evidence that somebody was given. */
  proof(tag: string, evidence: Evidence): MemoryOutcome | undefined {
    if (this.family === 'markers') {
      const row = this.marker(tag);
      return row === 'committed' || row === 'in-progress' ? row : evidence === MARKER ? 'aborted' : undefined;
    }
    const number = /^memory:([0-9]+)$/.exec(evidence)?.[1];
    return number === undefined ? undefined : this.outcome(Number(number));
  }

  forget(tag: string): void {
    if (this.marker(tag) === 'committed') {
      this.onForget(tag);
      this.markers.delete(tag);
    }
  }

  isPrepared(id: string): boolean {
    return this.prepared().some((prepared) => prepared.id === id);
  }

  /** As `finish`, at a participant's word. */
  finishFor(id: string, verb: 'commit' | 'rollback'): boolean {
    if (this.isPrepared(id)) {
      this.onFinish(id, verb);
    }
    return this.finish(id, verb);
  }
}
