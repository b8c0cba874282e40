// The story on the terminal: chapters, steps with their time, checks that held or did not.

export class Timeline {
  readonly #write: (text: string) => void;
  readonly #colour: boolean;
  readonly #now: () => number;
  #since: number;
  #failures = 0;
  #checks = 0;

  constructor(options: {
    readonly write: (text: string) => void;
    readonly colour: boolean;
    readonly now: () => number;
  }) {
    this.#write = options.write;
    this.#colour = options.colour;
    this.#now = options.now;
    this.#since = options.now();
  }

  get checks(): number {
    return this.#checks;
  }

  get failures(): number {
    return this.#failures;
  }

  line(text = ''): void {
    this.#write(`${text}\n`);
  }

  /** Times of its steps count from here. */
  chapter(title: string): void {
    this.#since = this.#now();
    this.line();
    this.line(this.#paint('1', title));
  }

  step(text: string): void {
    const ms = this.#now() - this.#since;
    const time = ms < 1_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(2)} s`;
    this.line(`  ${this.#paint('2', time.padStart(9))}  ${text}`);
  }

  check(claim: string, holds: boolean): void {
    this.#checks += 1;
    if (holds) {
      this.line(`             ${this.#paint('32', '✓')} ${claim}`);
    } else {
      this.#failures += 1;
      this.line(`             ${this.#paint('31', '✗')} ${claim}: this does not hold`);
    }
  }

  #paint(code: string, text: string): string {
    return this.#colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}
