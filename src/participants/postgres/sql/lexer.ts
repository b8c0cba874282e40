// How PostgreSQL reads the beginning of a statement (its scan.l): what it skips, and the words that say which statement it is.
// Texts of 1 MiB come from strangers: everything here walks a text once.

const [TAB, LINE_FEED, RETURN, SPACE] = [0x09, 0x0a, 0x0d, 0x20] as const;
const [STAR, DASH, SLASH, SEMICOLON] = [0x2a, 0x2d, 0x2f, 0x3b] as const;
/** Ends at the first character that cannot be in an unquoted name; every byte beyond ASCII can. */
const WORD = /^[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/;
const WORDS = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/g;

/** Stands for a name in double quotes, which may spell anything. */
export const QUOTED = '"';

/** Where the statement itself begins, or the end of the text: empty statements before it count for nothing to the server. */
export function statementStart(sql: string): number {
  return skip(sql, 0, true);
}

/** The first `count` words in upper case, `QUOTED` for one in quotes; nothing after the first other character. */
export function leadingWords(sql: string, count: number, start = statementStart(sql)): readonly string[] {
  const words: string[] = [];
  let at = start;
  while (words.length < count) {
    const word = WORD.exec(sql.slice(at, at + 64))?.[0];
    if (word === undefined) {
      return sql[at] === '"' ? [...words, QUOTED] : words;
    }
    // `U&"…"` is a quoted name, too.
    words.push(/^u$/i.test(word) && sql.startsWith('&"', at + 1) ? QUOTED : word.toUpperCase());
    at = skip(sql, at + word.length, false);
  }
  return words;
}

/** Behind white space and comments of both kinds, and behind semicolons where they count for nothing. */
function skip(sql: string, start: number, semicolons: boolean): number {
  let at = start;
  for (;;) {
    const code = sql.charCodeAt(at);
    if (isBlank(code) || (semicolons && code === SEMICOLON)) {
      at += 1;
    } else if (code === DASH && sql.charCodeAt(at + 1) === DASH) {
      at = lineEnd(sql, at);
    } else if (code === SLASH && sql.charCodeAt(at + 1) === STAR) {
      at = blockCommentEnd(sql, at);
    } else {
      return at;
    }
  }
}

/** Exactly what the server's lexer takes for white space; `\s` of JavaScript is more, and the vertical tab counts since PostgreSQL 16. */
function isBlank(code: number): boolean {
  return code === SPACE || (code >= TAB && code <= RETURN);
}

function lineEnd(sql: string, start: number): number {
  let at = start;
  while (at < sql.length && sql.charCodeAt(at) !== LINE_FEED && sql.charCodeAt(at) !== RETURN) {
    at += 1;
  }
  return at;
}

/** Block comments nest in PostgreSQL. */
function blockCommentEnd(sql: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const [code, next] = [sql.charCodeAt(at), sql.charCodeAt(at + 1)];
    if (code === SLASH && next === STAR) {
      depth += 1;
      at += 2;
    } else if (code === STAR && next === SLASH) {
      depth -= 1;
      at += 2;
    } else {
      at += 1;
    }
  } while (depth > 0 && at < sql.length);
  return at;
}

/** Names in one text, counted as often as they come. No statement that a person wrote has so many; only then is the text not walked to its end. */
const NAMES_MAX = 20_000;

/**
 * Every name that the text could mean, as the catalogue spells it, and many that it does not: words within strings and comments, too.
 * Undefined: there may be others, since a name is spelled in escapes, or there are more than `NAMES_MAX`.
 */
export function namesIn(sql: string): readonly string[] | undefined {
  if (/u&"|""/i.test(sql)) {
    return undefined;
  }
  const words = new Set<string>();
  let count = 0;
  for (const [word] of sql.matchAll(WORDS)) {
    count += 1;
    if (count > NAMES_MAX) {
      return undefined;
    }
    words.add(word);
  }
  const names = new Set<string>();
  for (const word of words) {
    // The server folds ASCII alone in a database of UTF-8.
    names.add(word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()));
  }
  // Between any two neighbouring quotes: which of them opens a name and which closes one depends on strings around them.
  let opened = sql.indexOf('"');
  for (let next = sql.indexOf('"', opened + 1); opened >= 0 && next >= 0; next = sql.indexOf('"', opened + 1)) {
    count += 1;
    if (count > NAMES_MAX) {
      return undefined;
    }
    names.add(sql.slice(opened + 1, next));
    opened = next;
  }
  return [...names];
}
