// A simulated database server: the memory engine, and what the judges see of it.
import { MemoryEngine, type MemorySession, type MemoryTransaction } from '../../src/testing/engine/engine.ts';
import type { Chance } from './chance.ts';

type Finish = (id: string, verb: 'commit' | 'rollback' | 'one-phase') => void;

export class SimEngine extends MemoryEngine {
  readonly name: string;
  /** Called when a branch is finished at a participant's word: before it, if it was prepared. */
  onFinish: Finish = () => undefined;
  /** Called when the evidence row of a committed branch is deleted at a participant's word. */
  onForget: (id: string) => void = () => undefined;
  /** The newest transaction. */
  lastBegun: MemoryTransaction | undefined;

  constructor(name: string, chance: Chance) {
    super(`${name}-${chance.base32(6)}`);
    this.name = name;
  }

  override begin(session: MemorySession, options: Parameters<MemoryEngine['begin']>[1]): MemoryTransaction {
    this.lastBegun = super.begin(session, options);
    return this.lastBegun;
  }

  override forget(tag: string): void {
    if (this.isCommitted(tag)) {
      this.onForget(tag);
    }
    super.forget(tag);
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
