// Statements that a session executes again and again are parsed and planned once: which text has which name at the server.
import { FifoMap } from '../../../lib/fifo-map.ts';
import type { BatchOutcome, BatchStep } from './batch.ts';

/** Names that a session keeps at the server; each costs it a few kilobytes. */
const NAMES_MAX = 100;
/** Texts of which it is remembered that they came once. A text that never comes again gets no name. */
const SEEN_MAX = 400;
/** A longer text is built by a program, and no other will be the same. */
const TEXT_CHARS_MAX = 8_192;
/** A plan that does not fit its tables any more, and a name that somebody has taken away. */
const FORGET: ReadonlySet<string> = new Set(['0A000', '26000']);

export class NamedStatements {
  readonly #names = new FifoMap<string, string>(NAMES_MAX);
  readonly #seen = new FifoMap<string, true>(SEEN_MAX);
  #fresh = new Map<string, string>();
  #dropped: string[] = [];
  #sequence = 0;

  /** The steps of the next batch, with a name where the text has come before. */
  plan(steps: readonly BatchStep[]): readonly BatchStep[] {
    this.#fresh = new Map();
    return steps.map((step) => this.#planned(step));
  }

  /** Names that are not needed any more, to be closed with the next batch. */
  takeDropped(): readonly string[] {
    const dropped = this.#dropped;
    this.#dropped = [];
    return dropped;
  }

  /** A name counts only if everything of its batch went well: it may not have been given behind an error. */
  settled(outcome: BatchOutcome): void {
    const error = outcome.kind === 'answered' ? outcome.error : undefined;
    if (outcome.kind === 'answered' && error === undefined) {
      for (const [key, name] of this.#fresh) {
        const dropped = this.#names.set(key, name);
        this.#dropped.push(...(dropped === undefined ? [] : [dropped]));
      }
    } else {
      this.#dropped.push(...this.#fresh.values());
    }
    this.#fresh = new Map();
    if (error !== undefined && FORGET.has(error.code ?? '')) {
      this.#dropped.push(...this.#names.values());
      this.#names.clear();
    }
  }

  #planned(step: BatchStep): BatchStep {
    if (step.values === undefined || step.text.length > TEXT_CHARS_MAX) {
      return step;
    }
    // The texts of the adapter's own come with every branch: as keys they have their hash already.
    const key = step.types === undefined ? step.text : `${step.types.join()}\0${step.text}`;
    const known = this.#names.get(key) ?? this.#fresh.get(key);
    if (known !== undefined) {
      return { ...step, name: known, isParsed: true };
    }
    if (this.#seen.get(key) === undefined) {
      this.#seen.set(key, true);
      return step;
    }
    this.#sequence += 1;
    const name = `concordat_${this.#sequence}`;
    this.#fresh.set(key, name);
    return { ...step, name };
  }
}
