// The story on the terminal: chapters, steps with their time, checks that held or did not.

/** The column of the texts. */
const INDENT = ' '.repeat(13);
/** A terminal that says it is narrower gets broken words, and not a word a line. */
const WIDTH_MIN = 20;

/** Broken between words; a word that is too long stays whole. */
function fold(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= Math.max(width, WIDTH_MIN)) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

export class Timeline {
  readonly #write: (text: string) => void;
  readonly #colour: boolean;
  readonly #now: () => number;
  readonly #width: number;
  #since: number;
  #failures = 0;
  #checks = 0;

  constructor(options: {
    readonly write: (text: string) => void;
    readonly colour: boolean;
    readonly now: () => number;
    /** Columns; longer texts go on in the next line. */
    readonly width: number;
  }) {
    this.#write = options.write;
    this.#colour = options.colour;
    this.#now = options.now;
    this.#width = options.width;
    this.#since = options.now();
  }

  get checks(): number {
    return this.#checks;
  }

  get failures(): number {
    return this.#failures;
  }

  /** As it is: something to be pasted must not be broken. */
  line(text = ''): void {
    this.#write(`${text}\n`);
  }

  /** A sentence. */
  text(text: string): void {
    for (const line of fold(text, this.#width)) {
      this.line(line);
    }
  }

  /** Times of its steps count from here. */
  chapter(title: string): void {
    this.#since = this.#now();
    this.line();
    for (const line of fold(title, this.#width)) {
      this.line(this.#paint('1', line));
    }
  }

  step(text: string): void {
    const ms = this.#now() - this.#since;
    const time = ms < 1_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(2)} s`;
    this.#indented(`  ${this.#paint('2', time.padStart(9))}  `, text);
  }

  check(claim: string, holds: boolean): void {
    this.#checks += 1;
    if (holds) {
      this.#indented(`${INDENT}${this.#paint('32', '✓')} `, claim);
    } else {
      this.#failures += 1;
      this.#indented(`${INDENT}${this.#paint('31', '✗')} `, `${claim}: this does not hold`);
    }
  }

  #indented(first: string, text: string): void {
    fold(text, this.#width - INDENT.length - 2).forEach((line, index) => {
      this.line(`${index === 0 ? first : INDENT}${line}`);
    });
  }

  #paint(code: string, text: string): string {
    return this.#colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}
