// Keeps count of the deaths of a run, and knows which of them nobody has caused.
import { EXIT } from '../../src/xa/errors.ts';
import type { Violation } from './judge.ts';
import type { Death } from './part.ts';

export class Deaths {
  readonly failpoints = new Map<string, number>();
  readonly #strange: Violation[] = [];
  readonly #troubled = new Set<number>();
  #kills = 0;
  #inRecovery = 0;

  /** How often something was killed with SIGKILL, by us or at a failpoint. */
  get kills(): number {
    return this.#kills;
  }

  /** How many of them struck what had not recovered from the one before. */
  get inRecovery(): number {
    return this.#inRecovery;
  }

  addDatabase(inRecovery: boolean): void {
    this.#kills += 1;
    this.#inRecovery += inRecovery ? 1 : 0;
  }

  /** The process has met a failing disk: it may stop itself, with the exit code for that. */
  excuse(pid: number): void {
    this.#troubled.add(pid);
  }

  add({ part, pid, failpoints, ended, inRecovery, bySelf, lastWords }: Death): void {
    if (ended.signal === 'SIGKILL') {
      this.#kills += 1;
      this.#inRecovery += inRecovery ? 1 : 0;
    }
    if (!bySelf) {
      // After SIGTERM a program ends with 0, or is killed on the way.
      if (ended.signal === null && ended.code !== EXIT.ok && !this.#troubled.has(pid)) {
        this.#strange.push({ kind: 'process', why: `${part.name} ended with exit ${ended.code}:\n${lastWords}` });
      }
      return;
    }
    const crashes = failpoints.split(',').filter((point) => point.includes('=crash'));
    const [crash] = crashes;
    if (ended.signal === 'SIGKILL' && crash !== undefined) {
      // With two of them armed nobody can tell which it was.
      const name = crashes.length > 1 ? 'one of two' : crash.slice(0, crash.indexOf('='));
      this.failpoints.set(name, (this.failpoints.get(name) ?? 0) + 1);
      return;
    }
    if (ended.code === EXIT.logFailed && this.#troubled.has(pid)) {
      return;
    }
    const how = ended.signal ?? `exit ${ended.code}`;
    this.#strange.push({ kind: 'process', why: `${part.name} ended by itself with ${how}:\n${lastWords}` });
  }

  /** Those since the last call. */
  violations(): readonly Violation[] {
    return this.#strange.splice(0);
  }
}
