// PostgreSQL's own view of a text: where its statements begin and end, and with which words. After its lexer, and psql's rule for
// the semicolons inside of a function's body.
import { quotedEnd, type ScannedStatement, StatementList } from '../../lent/scanned.ts';

// Not `\s`: to PostgreSQL a no-break space is a letter.
const BLANK = /[ \t\n\r\f\v]+|--[^\n\r]*/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /[0-9][\w.\u0080-\uffff]*/y;
const COMMENT_EDGE = /\/\*|\*\//g;
const DOLLAR = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;

/**
 * @param backslashes they escape in every string, as with standard_conforming_strings off; otherwise in E'…' only.
 */
export function scanPostgres(sql: string, backslashes: boolean): readonly ScannedStatement[] {
  const list = new StatementList();
  let at = 0;
  let parentheses = 0;
  let bodies = 0;
  while (at < sql.length) {
    const blank = matchEnd(BLANK, sql, at) ?? (sql.startsWith('/*', at) ? commentEnd(sql, at) : undefined);
    if (blank !== undefined) {
      at = blank;
      continue;
    }
    const start = at;
    const character = sql[at] ?? '';
    const wordEnd = matchEnd(WORD, sql, at);
    if (wordEnd !== undefined) {
      const word = sql.slice(at, wordEnd).toUpperCase();
      const isEscapeString = word === 'E' && sql[wordEnd] === "'";
      at = isEscapeString ? quotedEnd(sql, wordEnd, "'", true) : wordEnd;
      bodies += bodyStep(word, bodies, list.words);
      list.piece(word, start, at);
    } else if (character === ';' && parentheses === 0 && bodies === 0) {
      list.close();
      at += 1;
    } else {
      at = pieceEnd(sql, at, backslashes);
      parentheses = Math.max(0, parentheses + (character === '(' ? 1 : character === ')' ? -1 : 0));
      list.piece(character === '"' ? sql.slice(start, at) : character, start, at);
    }
  }
  list.close();
  return list.statements;
}

function pieceEnd(sql: string, at: number, backslashes: boolean): number {
  const character = sql[at];
  if (character === "'") {
    return quotedEnd(sql, at, "'", backslashes);
  }
  if (character === '"') {
    return quotedEnd(sql, at, '"', false);
  }
  const dollar = matchEnd(DOLLAR, sql, at);
  if (dollar !== undefined) {
    const tag = sql.slice(at, dollar);
    const end = sql.indexOf(tag, dollar);
    return end === -1 ? sql.length : end + tag.length;
  }
  return matchEnd(NUMBER, sql, at) ?? at + 1;
}

/** `CREATE FUNCTION … BEGIN ATOMIC …; …; END` is one statement. How the depth changes with this word. */
function bodyStep(word: string, depth: number, words: readonly string[]): number {
  const kind = words[1] === 'OR' && words[2] === 'REPLACE' ? words[3] : words[1];
  if (words[0] !== 'CREATE' || (kind !== 'FUNCTION' && kind !== 'PROCEDURE')) {
    return 0;
  }
  if (word === 'BEGIN' || (word === 'CASE' && depth > 0)) {
    return 1;
  }
  return word === 'END' && depth > 0 ? -1 : 0;
}

/** Block comments nest. */
function commentEnd(sql: string, start: number): number {
  let depth = 0;
  COMMENT_EDGE.lastIndex = start;
  // One walk for both: a search for each would look for an end that never comes again and again.
  for (let edge = COMMENT_EDGE.exec(sql); edge !== null; edge = COMMENT_EDGE.exec(sql)) {
    depth += edge[0] === '/*' ? 1 : -1;
    if (depth === 0) {
      return COMMENT_EDGE.lastIndex;
    }
  }
  return sql.length;
}

function matchEnd(pattern: RegExp, sql: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(sql) ? pattern.lastIndex : undefined;
}
