// Which statements a branch takes: everything except what would end it, change it, or outlive it. Pure.

import { PIECES_MAX, type Piece, piecesOf } from './pieces.ts';
import { forbiddenSetting } from './settings.ts';
import { BRANCH_TABLE } from './texts.ts';

/**
 * `write`, `read`: executed even if the branch could not be opened without being able to commit anything by itself. `call`: a
 * procedure, which may hold any statement, XA among them.
 */
type GuardedKind = 'write' | 'read' | 'call' | 'other';

type Guarded =
  | {
      readonly kind: GuardedKind;
      /** It asks for locks though it may write nothing: FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE, GET_LOCK; a change that finds no row locks its gap. */
      readonly takesLocks: boolean;
    }
  | { readonly kind: 'refused'; readonly problem: string };

/**
 * The statements of a branch, by their first word. Whatever is not here would end the branch, outlive it, or carry such a statement past
 * any look at its first word: compound statements, and prepared statements of the text kind.
 */
const KINDS: ReadonlyMap<string, GuardedKind> = new Map([
  ...['INSERT', 'UPDATE', 'DELETE', 'REPLACE'].map((word) => [word, 'write'] as const),
  ...['SELECT', 'WITH', 'VALUES', 'TABLE', '('].map((word) => [word, 'read'] as const),
  ['CALL', 'call'],
  ...[
    'DO',
    'LOAD',
    'HANDLER',
    'SAVEPOINT',
    'RELEASE',
    'SIGNAL',
    'RESIGNAL',
    'GET',
    'SHOW',
    'HELP',
    'CHECKSUM',
    'SET',
    'USE',
  ].map((word) => [word, 'other'] as const),
  ...['EXPLAIN', 'DESCRIBE', 'DESC', 'ANALYZE'].map((word) => [word, 'other'] as const),
  // Of temporary tables; the server refuses all others in a branch.
  ...['CREATE', 'ALTER', 'DROP', 'TRUNCATE'].map((word) => [word, 'other'] as const),
]);
const DEFINES: ReadonlySet<string> = new Set(['CREATE', 'ALTER', 'DROP', 'TRUNCATE']);

/** What counts of a text: no white space, no comments. */
interface Token {
  /** In upper case; undefined: no word. */
  readonly word: string | undefined;
  readonly text: string;
  readonly end: number;
}

/** Reads as much of a statement as is needed to know what it is. */
export function guardStatement(sql: string): Guarded {
  const [first, second, third] = firstTokens(sql, 3);
  const word = first?.text === '(' ? '(' : first?.word;
  if (word === undefined) {
    // `/*! … */` is code to some servers and a comment to others: what it begins with cannot be told from here.
    return refused('does not begin with a keyword');
  }
  if (second?.text === ':') {
    return refused('is a compound statement');
  }
  if (word === 'ROLLBACK') {
    const isPartial = second?.word === 'TO' || (second?.word === 'WORK' && third?.word === 'TO');
    return isPartial ? { kind: 'other', takesLocks: false } : refused('is a ROLLBACK');
  }
  if (word === 'SET') {
    return guardSet(sql, second);
  }
  const kind = KINDS.get(word);
  if (kind === undefined) {
    return refused(`begins with ${word}`);
  }
  if (DEFINES.has(word) && sql.toLowerCase().includes(BRANCH_TABLE)) {
    // A temporary table of that name would take the row that proves the branch, and go with the session.
    return refused(`changes the table ${BRANCH_TABLE}`);
  }
  return holdsZero(sql)
    ? refused('holds a zero byte outside of its strings')
    : { kind, takesLocks: kind === 'write' || takesLocks(sql) };
}

function guardSet(sql: string, second: Token | undefined): Guarded {
  const setting = forbiddenSetting(sql);
  if (setting !== undefined) {
    return refused(`sets ${setting}`);
  }
  if (second?.word === 'STATEMENT') {
    return guardBehindFor(sql);
  }
  return { kind: 'other', takesLocks: takesLocks(sql) };
}

/** `SET STATEMENT variables FOR statement` of MariaDB. */
function guardBehindFor(sql: string): Guarded {
  let depth = 0;
  if (!sql.includes('\\')) {
    for (const { word, text, end } of tokens(sql)) {
      depth += text === '(' ? 1 : text === ')' ? -1 : 0;
      if (word === 'FOR' && depth === 0) {
        return guardStatement(sql.slice(end));
      }
    }
  }
  return refused('is a SET STATEMENT that cannot be read');
}

function refused(problem: string): Guarded {
  return { kind: 'refused', problem: `the statement ${problem}` };
}

function* tokens(sql: string): Generator<Token> {
  let end = 0;
  for (const { kind, text } of piecesOf(sql)) {
    end += text.length;
    if (kind !== 'space' && kind !== 'comment') {
      yield { word: kind === 'word' ? text.toUpperCase() : undefined, text, end };
    }
  }
}

function firstTokens(sql: string, count: number): readonly Token[] {
  const first: Token[] = [];
  for (const token of tokens(sql)) {
    first.push(token);
    if (first.length === count) {
      break;
    }
  }
  return first;
}

/** The server ends a comment or the statement at it, and what follows is not what it looks like. */
function holdsZero(sql: string): boolean {
  return (
    sql.includes('\0') &&
    isInPieces(sql, ({ kind, text }) => kind !== 'string' && kind !== 'name' && text.includes('\0'))
  );
}

/** True also where the text has too many pieces to be looked through. */
function isInPieces(sql: string, test: (piece: Piece) => boolean, backslash = true): boolean {
  let count = 0;
  for (const piece of piecesOf(sql, backslash)) {
    if (test(piece)) {
      return true;
    }
    count += 1;
  }
  return count === PIECES_MAX;
}

/** Words of a text that is cheap to exclude: most statements have none of them. */
const LOCK_WORDS = /\b(?:share|update|get_lock)\b/i;

function takesLocks(sql: string): boolean {
  let [before, last] = ['', ''];
  const isLocking = ({ kind, text }: Piece): boolean => {
    if (kind === 'space' || kind === 'comment') {
      return false;
    }
    // A function's name may be quoted.
    const word = text.replaceAll('`', '').toUpperCase();
    const found =
      (last === 'FOR' && (word === 'UPDATE' || word === 'SHARE')) ||
      (before === 'IN' && last === 'SHARE' && word === 'MODE') ||
      (last === 'GET_LOCK' && text === '(') ||
      // What a comment of code holds is not cut further.
      (kind === 'code' && LOCK_WORDS.test(text));
    [before, last] = [last, word];
    return found;
  };
  // What is a string depends on sql_mode, which is not known here.
  const isLockingEitherWay = (): boolean =>
    isInPieces(sql, isLocking) || (sql.includes('\\') && isInPieces(sql, isLocking, false));
  return LOCK_WORDS.test(sql) && isLockingEitherWay();
}

/**
 * Whether something follows a semicolon. Only to name the reason when the server has already refused the text: it takes one
 * statement at a time whatever this function says.
 */
export function hasSeveralStatements(sql: string): boolean {
  let isBehind = false;
  for (const { text } of tokens(sql)) {
    if (isBehind && text !== ';' && !text.startsWith('/*')) {
      return true;
    }
    isBehind ||= text === ';';
  }
  return false;
}
