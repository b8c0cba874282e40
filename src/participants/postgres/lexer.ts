// How PostgreSQL reads the beginning of a statement (its scan.l): what it skips, and the words that say which statement it is.

/** Exactly what the server's lexer takes for white space; `\s` of JavaScript is more, and the vertical tab counts since PostgreSQL 16. */
const BLANK = /[ \t\n\r\f\v]/;
const LINE_END = /[\n\r]/g;
/** Ends at the first character that cannot be in an unquoted name; every byte beyond ASCII can. */
const WORD = /^[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/;

/** Stands for a name in double quotes, which may spell anything. */
export const QUOTED = '"';

/** Where the statement itself begins, or the end of the text: empty statements before it count for nothing to the server. */
export function statementStart(sql: string): number {
  let at = skipBlank(sql, 0);
  while (sql[at] === ';') {
    at = skipBlank(sql, at + 1);
  }
  return at;
}

/** The first `count` words in upper case, `QUOTED` for one in quotes; nothing after the first other character. */
export function leadingWords(sql: string, count: number): readonly string[] {
  const words: string[] = [];
  let at = statementStart(sql);
  while (words.length < count) {
    const word = WORD.exec(sql.slice(at, at + 64))?.[0];
    if (word === undefined) {
      return sql[at] === '"' ? [...words, QUOTED] : words;
    }
    // `U&"…"` is a quoted name, too.
    words.push(/^u$/i.test(word) && sql.startsWith('&"', at + 1) ? QUOTED : word.toUpperCase());
    at = skipBlank(sql, at + word.length);
  }
  return words;
}

/** White space and comments of both kinds. */
function skipBlank(sql: string, start: number): number {
  let at = start;
  for (;;) {
    if (BLANK.test(sql[at] ?? '')) {
      at += 1;
    } else if (sql.startsWith('--', at)) {
      LINE_END.lastIndex = at;
      at = (LINE_END.exec(sql)?.index ?? sql.length - 1) + 1;
    } else if (sql.startsWith('/*', at)) {
      at = blockCommentEnd(sql, at);
    } else {
      return at;
    }
  }
}

/** Block comments nest in PostgreSQL. */
function blockCommentEnd(sql: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    if (sql.startsWith('/*', at)) {
      depth += 1;
      at += 2;
    } else if (sql.startsWith('*/', at)) {
      depth -= 1;
      at += 2;
    } else {
      at += 1;
    }
  } while (depth > 0 && at < sql.length);
  return at;
}

/**
 * Every name that the text could mean, as the catalogue spells it, and many that it does not: words within strings and comments, too.
 * Undefined: there may be others, since a name is spelled in escapes.
 */
export function namesIn(sql: string): readonly string[] | undefined {
  if (/u&"|""/i.test(sql)) {
    return undefined;
  }
  const names = new Set<string>();
  for (const [word] of sql.matchAll(/[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/g)) {
    // The server folds ASCII alone in a database of UTF-8.
    names.add(word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()));
  }
  // Between any two neighbouring quotes: which of them opens a name and which closes one depends on strings around them.
  for (const span of sql.split('"').slice(1, -1)) {
    names.add(span);
  }
  return [...names];
}
