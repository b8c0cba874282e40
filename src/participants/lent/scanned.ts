// What both scanners of SQL texts share: a text as statements, each with the words that it begins with.

/** One statement of a text that may hold several. */
export interface ScannedStatement {
  /** Where its first word begins. */
  readonly start: number;
  /** Behind its last character that is no blank, comment or semicolon. */
  readonly end: number;
  /** Its first pieces, `WORDS_MAX` at most: words in upper case, quoted names in quotes, every other character by itself. */
  readonly words: readonly string[];
}

/** As many pieces as are needed to know what a statement does to its transaction. */
const WORDS_MAX = 64;

/** Collects the pieces of one text. */
export class StatementList {
  readonly statements: ScannedStatement[] = [];
  #words: string[] = [];
  #start = 0;
  #end = 0;

  get words(): readonly string[] {
    return this.#words;
  }

  piece(word: string, start: number, end: number): void {
    if (this.#words.length === 0) {
      this.#start = start;
    }
    if (this.#words.length < WORDS_MAX) {
      this.#words.push(word);
    }
    this.#end = end;
  }

  /** A statement without a word is none. */
  close(): void {
    if (this.#words.length > 0) {
      this.statements.push({ start: this.#start, end: this.#end, words: this.#words });
      this.#words = [];
    }
  }
}

/** Behind the quote that ends what begins at `at`; the end of the text if there is none. Doubled quotes are part of it. */
export function quotedEnd(sql: string, at: number, quote: string, backslashes: boolean): number {
  let from = at + 1;
  for (;;) {
    const next = sql.indexOf(quote, from);
    if (next === -1) {
      return sql.length;
    }
    if (backslashes && isEscaped(sql, from, next)) {
      from = next + 1;
    } else if (sql[next + 1] === quote) {
      from = next + 2;
    } else {
      return next + 1;
    }
  }
}

/** An odd number of backslashes stands before it, none of them before `from`. */
function isEscaped(sql: string, from: number, at: number): boolean {
  let count = 0;
  while (at - count - 1 >= from && sql[at - count - 1] === '\\') {
    count += 1;
  }
  return count % 2 === 1;
}
