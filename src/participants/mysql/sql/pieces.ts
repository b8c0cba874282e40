// The text of a statement, cut as the server's lexer cuts it: words, names, strings, comments. In one walk, whatever the text is.

// A comment that begins with `/*!` or `/*M!` is `code`: some servers run what it holds.
/** `name`: in backticks, or in double quotes, which may also be a string. `variable`: `@name`, a user's own. `other`: one character. */
export interface Piece {
  readonly kind: 'word' | 'name' | 'string' | 'variable' | 'comment' | 'code' | 'space' | 'other';
  readonly text: string;
}

/** What the lexer takes for white space. Everything else, like a no-break space, belongs to a word or is an error there. */
const SPACE = /[ \t\n\v\f\r]+/y;
const WORD = /[A-Za-z0-9_$\u0080-\uffff]+/y;
const VARIABLE = /@[A-Za-z0-9_$.\u0080-\uffff]*/y;
/** Behind `--`: only then it is a comment. */
const DASH_COMMENT = /--(?:[\0-\x20\x7f]|$)/y;

/** More are not looked at: what asks for pieces must answer for the safe side then. A limit of time: 10,000 take about 2 ms. */
export const PIECES_MAX = 10_000;

/**
 * At most `PIECES_MAX`.
 * @param backslash whether a backslash in a string escapes what follows, as it does unless sql_mode has NO_BACKSLASH_ESCAPES.
 */
export function* piecesOf(sql: string, backslash = true): Generator<Piece> {
  let offset = 0;
  for (let count = 0; offset < sql.length && count < PIECES_MAX; count += 1) {
    const kind = kindAt(sql, offset);
    const end = endOf(sql, offset, kind, backslash);
    yield { kind, text: sql.slice(offset, end) };
    offset = end;
  }
}

function kindAt(sql: string, offset: number): Piece['kind'] {
  switch (sql[offset]) {
    case ' ':
    case '\t':
    case '\n':
    case '\v':
    case '\f':
    case '\r':
      return 'space';
    case "'":
      return 'string';
    case '"':
    case '`':
      return 'name';
    case '#':
      return 'comment';
    case '-':
      return matchesAt(DASH_COMMENT, sql, offset) ? 'comment' : 'other';
    case '/':
      return sql[offset + 1] !== '*' ? 'other' : /^M?!/.test(sql.slice(offset + 2, offset + 4)) ? 'code' : 'comment';
    case '@':
      return sql[offset + 1] === '@' ? 'other' : 'variable';
    default:
      return matchesAt(WORD, sql, offset) ? 'word' : 'other';
  }
}

function endOf(sql: string, offset: number, kind: Piece['kind'], backslash: boolean): number {
  switch (kind) {
    case 'word':
      return behind(WORD, sql, offset);
    case 'space':
      return behind(SPACE, sql, offset);
    case 'variable':
      return behind(VARIABLE, sql, offset);
    case 'string':
      return quotedEnd(sql, offset, backslash);
    case 'name':
      return quotedEnd(sql, offset, backslash && sql[offset] === '"');
    case 'comment':
    case 'code':
      return sql[offset] === '/' ? after(sql, '*/', offset + 2) : after(sql, '\n', offset);
    case 'other':
      // `@@` is one piece, so that the name behind it is a word.
      return offset + (sql.startsWith('@@', offset) ? 2 : 1);
  }
}

/** A doubled quote is two strings in a row, which is one string to the server: the words outside are the same. */
function quotedEnd(sql: string, offset: number, backslash: boolean): number {
  const quote = sql.charAt(offset);
  for (let i = offset + 1; i < sql.length; i += 1) {
    if (sql[i] === quote) {
      return i + 1;
    }
    if (backslash && sql[i] === '\\') {
      i += 1;
    }
  }
  return sql.length;
}

function after(sql: string, text: string, from: number): number {
  const found = sql.indexOf(text, from);
  return found === -1 ? sql.length : found + text.length;
}

function matchesAt(pattern: RegExp, sql: string, offset: number): boolean {
  pattern.lastIndex = offset;
  return pattern.test(sql);
}

function behind(pattern: RegExp, sql: string, offset: number): number {
  pattern.lastIndex = offset;
  return pattern.test(sql) ? pattern.lastIndex : offset + 1;
}
