// What a SET statement may not set: everything that the adapter relies on when it reads the answers of a session. Pure.
import { PIECES_MAX, type Piece, piecesOf } from './pieces.ts';

/** Variables, wherever in the statement they are named and however they are quoted. */
const VARIABLES: ReadonlySet<string> = new Set([
  // When a transaction begins and ends.
  ...['AUTOCOMMIT', 'COMPLETION_TYPE', 'XA_DETACH_ON_PREPARE', 'PSEUDO_SLAVE_MODE', 'PSEUDO_REPLICA_MODE'],
  ...['TX_ISOLATION', 'TX_READ_ONLY', 'TRANSACTION_ISOLATION', 'TRANSACTION_READ_ONLY'],
  // When the server gives a session up by itself.
  ...['WAIT_TIMEOUT', 'INTERACTIVE_TIMEOUT', 'IDLE_TRANSACTION_TIMEOUT'],
  ...['IDLE_READONLY_TRANSACTION_TIMEOUT', 'IDLE_WRITE_TRANSACTION_TIMEOUT'],
  // In which bytes texts come and go.
  ...['CHARACTER_SET_CLIENT', 'CHARACTER_SET_CONNECTION', 'CHARACTER_SET_RESULTS'],
]);

/** What the server reports of itself behind each answer: `session_track_transaction_info` and its kin. */
const TRACKERS = /^SESSION_TRACK_/;

/** Not variables, but what SET takes in their place: only where it names what is set. */
const TARGETS: ReadonlySet<string> = new Set(['TRANSACTION', 'NAMES', 'CHARACTER', 'CHARSET', 'AUTHORIZATION']);
/** For every session at once, whatever becomes of the branch. To read one is no harm. */
const OF_THE_SERVER: ReadonlySet<string> = new Set(['GLOBAL', 'PERSIST', 'PERSIST_ONLY']);
const BEFORE_A_TARGET: ReadonlySet<string> = new Set(['SET', ',', 'GLOBAL', 'SESSION', 'LOCAL', 'PERSIST']);

const UTF8 = /^names(?:utf8mb4|'utf8mb4'|"utf8mb4")(?:collate(?:\w+|'\w+'|"\w+"))?;?$/i;
/** A string of MySQL 9, where no quote of ours ends: `$tag$ … $tag$`. */
const DOLLAR_QUOTE = /\$[A-Za-z0-9_\u0080-\uffff]*\$/;

/** The forbidden thing that a SET statement sets, as the statement names it; undefined: it may pass. */
export function forbiddenSetting(sql: string): string | undefined {
  if (sql.includes('\0')) {
    return 'something behind a zero byte';
  }
  if (DOLLAR_QUOTE.test(sql)) {
    return 'something with a text in dollar quotes';
  }
  // What is a string depends on sql_mode, which is not known here: it must pass either way.
  return forbidden(sql, true) ?? (sql.includes('\\') ? forbidden(sql, false) : undefined);
}

function forbidden(sql: string, backslash: boolean): string | undefined {
  const all = [...piecesOf(sql, backslash)];
  if (all.length === PIECES_MAX) {
    return 'too many things to be looked through';
  }
  const pieces = all.filter(({ kind }) => kind !== 'space' && kind !== 'comment');
  let before = '';
  let depth = 0;
  for (const piece of pieces) {
    depth += piece.text === '(' ? 1 : piece.text === ')' ? -1 : 0;
    for (const word of wordsOf(piece)) {
      const isFirst = depth === 0 && (BEFORE_A_TARGET.has(before) || before === 'SET@@' || before === ',@@');
      if (OF_THE_SERVER.has(word) && (piece.kind === 'code' || isFirst)) {
        return word;
      }
      const isTarget = TARGETS.has(word) && (piece.kind === 'code' || BEFORE_A_TARGET.has(before));
      if (VARIABLES.has(word) || TRACKERS.test(word) || (isTarget && !isUtf8(pieces))) {
        return word;
      }
    }
    const isOfTarget = piece.text === '@@' && (before === 'SET' || before === ',');
    before = isOfTarget ? `${before}@@` : piece.text.toUpperCase();
  }
  return undefined;
}

/** What the server could take for words: a comment of code holds any, and what is quoted is one or none. */
function wordsOf({ kind, text }: Piece): readonly string[] {
  switch (kind) {
    case 'word':
      return [text.toUpperCase()];
    case 'name':
      return [text.slice(1, -1).toUpperCase()];
    case 'code':
      return text.toUpperCase().match(/\w+/g) ?? [];
    default:
      return [];
  }
}

/** `SET NAMES utf8mb4` sets what is set. */
function isUtf8(pieces: readonly Piece[]): boolean {
  const text = pieces.map((piece) => piece.text).join('');
  return text.length < 200 && UTF8.test(text.replace(/^set/i, ''));
}
