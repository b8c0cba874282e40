// What the scenarios of `npm run bench:scenario` have in common: their options, and what they come to.
import { notNegative, oneOf, positive } from '../options.ts';

export interface Option {
  readonly fallback: string;
  readonly help: string;
}

export interface Scenario {
  /** One sentence for the help. */
  readonly summary: string;
  readonly options: Readonly<Record<string, Option>>;
  run(settings: Settings, onProgress: (text: string) => void): Promise<Findings>;
}

/** A line of the table: column -> what it holds. Every row has the same columns. */
export type Line = Readonly<Record<string, string | number>>;

export interface Findings {
  readonly lines: readonly Line[];
  /** Sentences below the table. */
  readonly notes?: readonly string[];
  /** What must not be, whatever was measured: each fails the run. */
  readonly wrong: readonly string[];
}

/** The options of one run, as numbers and names. @throws {UsageError} */
export class Settings {
  readonly #texts: Readonly<Record<string, string>>;

  constructor(texts: Readonly<Record<string, string>>) {
    this.#texts = texts;
  }

  positive(option: string): number {
    return positive(this.#text(option), `--${option}`);
  }

  /** Numbers from 0 on. */
  numbers(option: string): number[] {
    return this.list(option).map((text) => notNegative(text, `--${option}`));
  }

  oneOf<T extends string>(option: string, known: readonly T[]): T {
    return oneOf(known, this.#text(option), `--${option}`);
  }

  someOf<T extends string>(option: string, known: readonly T[]): T[] {
    return this.list(option).map((text) => oneOf(known, text, `--${option}`));
  }

  list(option: string): string[] {
    return this.#text(option).split(',');
  }

  #text(option: string): string {
    const text = this.#texts[option];
    if (text === undefined) {
      throw new Error(`the scenario has no option --${option}`);
    }
    return text;
  }
}
