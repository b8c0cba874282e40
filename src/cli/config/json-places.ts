// Where things are in a JSON text: the first place that is none, and the line of each key.

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\n\r\t]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
/** No configuration is as deep, and the reader calls itself. */
const DEPTH_MAX = 100;

interface Place {
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
}

export function placeOf(text: string, index: number): Place {
  const before = text.slice(0, index).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

/** The index of the first character that cannot be there; undefined: it is JSON, not too deep. */
export function firstFault(text: string): number | undefined {
  return new Reader(text, () => undefined).read();
}

/** The line of each key, by its path with dots. */
export function linesOf(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  new Reader(text, (path, index) => lines.set(path, placeOf(text, index).line)).read();
  return lines;
}

class Fault extends Error {}

class Reader {
  readonly #text: string;
  readonly #onKey: (path: string, index: number) => void;
  #at = 0;

  constructor(text: string, onKey: (path: string, index: number) => void) {
    this.#text = text;
    this.#onKey = onKey;
  }

  read(): number | undefined {
    try {
      this.#value('', 0);
      this.#space();
      return this.#at === this.#text.length ? undefined : this.#at;
    } catch (error) {
      if (error instanceof Fault) {
        return this.#at;
      }
      throw error;
    }
  }

  #value(path: string, depth: number): void {
    this.#space();
    const first = this.#text[this.#at];
    if (depth > DEPTH_MAX) {
      throw new Fault();
    } else if (first === '{') {
      this.#list('}', () => {
        const start = this.#at;
        const key = String(JSON.parse(this.#take(STRING)));
        const below = path === '' ? key : `${path}.${key}`;
        this.#onKey(below, start);
        this.#space();
        this.#mark(':');
        this.#value(below, depth + 1);
      });
    } else if (first === '[') {
      this.#list(']', (n) => this.#value(`${path}.${n}`, depth + 1));
    } else {
      this.#take(first === '"' ? STRING : SCALAR);
    }
  }

  #list(end: string, entry: (n: number) => void): void {
    this.#at += 1;
    this.#space();
    for (let n = 0; this.#text[this.#at] !== end; n += 1) {
      if (n > 0) {
        this.#mark(',');
        this.#space();
      }
      entry(n);
      this.#space();
    }
    this.#at += 1;
  }

  #mark(mark: string): void {
    if (this.#text[this.#at] !== mark) {
      throw new Fault();
    }
    this.#at += 1;
  }

  #space(): void {
    this.#take(SPACE);
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found === undefined) {
      throw new Fault();
    }
    this.#at += found.length;
    return found;
  }
}
