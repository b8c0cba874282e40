// What may run inside a branch, told by its first words: transaction control is the coordinator's. PostgreSQL takes one statement in a
// text of the extended protocol, and only its own commands of that kind can end a transaction: no function or procedure can (2D000).
import { FifoMap } from '../../../lib/fifo-map.ts';
import { PARAMETERS_MAX } from '../../../xa/limits.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import type { Statement } from '../../resource-manager.ts';
import { leadingWords, namesIn, QUOTED, statementStart } from './lexer.ts';

export type StatementKind =
  | { readonly kind: 'refused'; readonly reason: Reason }
  | {
      readonly kind: 'accepted';
      /** INSERT, UPDATE, DELETE or MERGE: a row count above 0 means that something was written. */
      readonly changes: boolean;
      /** LOCK: what it takes is wanted until the end. */
      readonly locks: boolean;
      /** Goes back to a savepoint: the engine answers it as if the whole were rolled back. */
      readonly goesBack: boolean;
      /** Names that decide whether it only reads. Undefined: it may take locks, or send notifications, whatever it names. */
      readonly names: readonly string[] | undefined;
    };

/** As many first words as are needed to know a statement. */
const WORDS_MAX = 5;
const CHANGES = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
/** What statements of these kinds do beside reading and changing rows, they do by what they name. */
const BY_NAME = new Set([
  ...CHANGES,
  ...['SELECT', 'WITH', 'VALUES', 'TABLE', 'EXPLAIN', 'SHOW', 'SET', 'RESET', 'SAVEPOINT', 'RELEASE', 'ROLLBACK'],
  ...['DECLARE', 'FETCH', 'MOVE', 'CLOSE'],
]);
const ENDS = new Set(['BEGIN', 'START', 'COMMIT', 'END', 'ABORT']);
const ROLE = 'the role of the session; SET LOCAL ROLE is for this branch, and allowed';
const OWNER = 'who the branch belongs to';
const BRANCH = 'the branch; its isolation is an option of the transaction';
const ENCODING = 'how texts are read; it is UTF-8';
const NAME = 'the name by which an unfinished branch is found and ended';
/** What a setting would change that is not the application's. */
const ANCHORED: Readonly<Record<string, string>> = {
  TRANSACTION: BRANCH,
  CHARACTERISTICS: BRANCH,
  TRANSACTION_ISOLATION: BRANCH,
  TRANSACTION_READ_ONLY: BRANCH,
  TRANSACTION_DEFERRABLE: BRANCH,
  ROLE,
  AUTHORIZATION: OWNER,
  SESSION_AUTHORIZATION: OWNER,
  NAMES: ENCODING,
  CLIENT_ENCODING: ENCODING,
  APPLICATION_NAME: NAME,
  ALL: 'limits of the branch, too; reset settings by their names',
  [QUOTED]: 'a setting in quotes, which may be any; write its name without them',
};

/** What was found out about texts: an application has few, and executes them again and again. */
const known = new FifoMap<string, StatementKind>(500);
/** A longer text is built by a program, and no other will be the same. */
const KNOWN_CHARS_MAX = 2_000;

export function classifyStatement({ sql, parameters }: Statement): StatementKind {
  if (parameters.length > PARAMETERS_MAX) {
    return refused(`the statement has more than ${PARAMETERS_MAX} parameters`);
  }
  if (sql.length > KNOWN_CHARS_MAX) {
    return classifyText(sql);
  }
  let kind = known.get(sql);
  if (kind === undefined) {
    kind = classifyText(sql);
    known.set(sql, kind);
  }
  return kind;
}

function classifyText(sql: string): StatementKind {
  const start = statementStart(sql);
  const words = leadingWords(sql, WORDS_MAX, start);
  const why = refusal(sql, start, words);
  if (why !== undefined) {
    return refused(why);
  }
  const [first = ''] = words;
  return {
    kind: 'accepted',
    changes: CHANGES.has(first),
    locks: first === 'LOCK',
    goesBack: first === 'ROLLBACK',
    names: namesFrom(sql, start, first),
  };
}

/** What a text may do beside reading, as far as its words tell. */
export type Reading = Pick<Extract<StatementKind, { kind: 'accepted' }>, 'locks' | 'names'>;

/** The same of a text that is not ours to refuse, and may hold several statements: of those nothing is told but that they may lock. */
export function readingOf(sql: string): Reading {
  const start = statementStart(sql);
  const [first = ''] = leadingWords(sql, 1, start);
  return {
    locks: first === 'LOCK' || (!isOne(sql, start) && /\block\b/i.test(sql)),
    names: namesFrom(sql, start, first),
  };
}

function namesFrom(sql: string, start: number, first: string): readonly string[] | undefined {
  return isOne(sql, start) && (BY_NAME.has(first) || first === '') ? namesIn(sql) : undefined;
}

/** As far as a semicolon can tell. */
function isOne(sql: string, start: number): boolean {
  return !/;\s*[^\s;]/.test(sql.slice(start));
}

function refused(message: string): StatementKind {
  return { kind: 'refused', reason: { code: 'STATEMENT_REFUSED', message, retryable: false } };
}

function refusal(sql: string, start: number, words: readonly string[]): string | undefined {
  if (sql.includes('\0')) {
    // The protocol ends texts with a zero: what follows one would be read as another message's content.
    return 'the statement contains a zero character';
  }
  const character = sql[start];
  if (character !== undefined && !/[A-Za-z("]/.test(character)) {
    // Nothing that the server executes begins so; were it otherwise, what stands behind it would not have been looked at.
    return `the statement begins with ${JSON.stringify(character)}, and no statement of PostgreSQL does`;
  }
  const [first = '', second = '', third = ''] = words;
  const end = endWord(first, second, third);
  if (end !== undefined) {
    return `${end} would end the branch, which the coordinator does: commit or roll back the global transaction, and use SAVEPOINT for a part of it`;
  }
  if (first === 'SET' || first === 'RESET') {
    const what = anchored(words);
    return what === undefined ? undefined : `${first} would change ${what}`;
  }
  if (first === 'COPY') {
    return 'COPY needs a stream, and a branch has none: use INSERT, with arrays for many rows';
  }
  return undefined;
}

function endWord(first: string, second: string, third: string): string | undefined {
  if (ENDS.has(first)) {
    return first;
  }
  if (first === 'PREPARE' && second === 'TRANSACTION') {
    return 'PREPARE TRANSACTION';
  }
  const isNoise = second === 'WORK' || second === 'TRANSACTION';
  return first === 'ROLLBACK' && (isNoise ? third : second) !== 'TO' ? 'ROLLBACK' : undefined;
}

/** What `SET` or `RESET` would change that must stay. */
function anchored([, ...words]: readonly string[]): string | undefined {
  const isLocal = words[0] === 'LOCAL';
  const scope = isLocal || words[0] === 'SESSION' ? words.slice(1) : words;
  // `SET SESSION AUTHORIZATION` and `SET SESSION SESSION AUTHORIZATION`; also `SET SESSION CHARACTERISTICS`.
  const name = scope[0] === 'SESSION' ? scope[1] : scope[0];
  if (name === undefined || (name === 'ROLE' && isLocal)) {
    return undefined;
  }
  return Object.hasOwn(ANCHORED, name) ? ANCHORED[name] : undefined;
}
