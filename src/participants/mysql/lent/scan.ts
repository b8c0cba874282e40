// MySQL's and MariaDB's own view of a text: where its statements begin and end, and with which words.
import { quotedEnd, type ScannedStatement, StatementList } from '../../lent/scanned.ts';

/** How a text is read where that depends on the server and the session's sql_mode. */
interface MysqlReading {
  /** They escape within strings: unless NO_BACKSLASH_ESCAPES is set. */
  readonly backslashes: boolean;
  /** What stands in a comment with an exclamation mark is code to this server. */
  readonly codeInComments: boolean;
}

const BLANK = /[ \t\n\r\f\v]+|#[^\n]*|--(?=[\0-\x20\x7f]|$)[^\n]*/y;
const CODE_COMMENT = /\/\*M?!\d*/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /[0-9][\w.$\u0080-\uffff]*/y;
const VARIABLE = /@@|@[\w$.\u0080-\uffff]*/y;
/** Their bodies hold statements of their own. In a branch the servers refuse to create them. */
const WITH_BODY = new Set(['PROCEDURE', 'FUNCTION', 'TRIGGER', 'EVENT', 'PACKAGE']);

export function scanMysql(sql: string, { backslashes, codeInComments }: MysqlReading): readonly ScannedStatement[] {
  const list = new StatementList();
  let at = 0;
  let isInCode = false;
  let isBody = false;
  while (at < sql.length) {
    const code = codeInComments ? matchEnd(CODE_COMMENT, sql, at) : undefined;
    if (code !== undefined || (isInCode && sql.startsWith('*/', at))) {
      isInCode = code !== undefined;
      at = code ?? at + 2;
      continue;
    }
    const blank = matchEnd(BLANK, sql, at) ?? (sql.startsWith('/*', at) ? commentEnd(sql, at) : undefined);
    if (blank !== undefined) {
      at = blank;
      continue;
    }
    const start = at;
    const character = sql[at] ?? '';
    const wordEnd = matchEnd(WORD, sql, at);
    if (wordEnd !== undefined) {
      at = wordEnd;
      const word = sql.slice(start, at).toUpperCase();
      isBody ||= list.words[0] === 'CREATE' && WITH_BODY.has(word);
      list.piece(word, start, at);
    } else if (character === ';' && !isBody) {
      list.close();
      at += 1;
    } else {
      at = pieceEnd(sql, at, character, backslashes);
      // `autocommit` in backticks is a name like any other; a string is none, and a user's variable is his own.
      list.piece(character === '`' ? sql.slice(start + 1, at - 1).toUpperCase() : character, start, at);
    }
  }
  list.close();
  return list.statements;
}

function pieceEnd(sql: string, at: number, character: string, backslashes: boolean): number {
  switch (character) {
    case "'":
    case '"':
      return quotedEnd(sql, at, character, backslashes);
    case '`':
      return quotedEnd(sql, at, character, false);
    default:
      return matchEnd(VARIABLE, sql, at) ?? matchEnd(NUMBER, sql, at) ?? at + 1;
  }
}

function commentEnd(sql: string, at: number): number {
  const end = sql.indexOf('*/', at + 2);
  return end === -1 ? sql.length : end + 2;
}

function matchEnd(pattern: RegExp, sql: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(sql) ? pattern.lastIndex : undefined;
}
