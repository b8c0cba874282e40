// What may run inside a branch, told by its first words: transaction control is the coordinator's.
import { FifoMap } from '../../lib/fifo-map.ts';
import { PARAMETERS_MAX } from '../../xa/limits.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import type { Statement } from '../resource-manager.ts';

export type StatementKind =
  | { readonly kind: 'refused'; readonly reason: Reason }
  | {
      readonly kind: 'accepted';
      /** INSERT, UPDATE, DELETE or MERGE: a row count above 0 means that something was written. */
      readonly changes: boolean;
      /** Whether it may leave something in the session that outlives the transaction. */
      readonly soils: boolean;
    };

const CHANGES = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
/** Statements of these kinds leave nothing in the session unless they call one of SOILING. */
const CLEAN = new Set([...CHANGES, 'SELECT', 'WITH', 'VALUES', 'TABLE', 'LOCK', 'SAVEPOINT', 'RELEASE', 'ROLLBACK']);
/** Functions and words by which a clean kind leaves settings, locks or tables behind. Functions that hide them are not seen. */
const SOILING = /\b(set_config|pg_(try_)?advisory_(un)?lock\w*|temp|temporary|pg_temp|dblink\w*)\b/i;
const MODIFIERS = new Set(['SET', 'RESET', 'LOCAL', 'SESSION']);
/** `SET TRANSACTION`, `SET SESSION CHARACTERISTICS`; and another role's prepared branch could not be finished by ours (42501). */
const ANCHORED = new Set(['TRANSACTION', 'CHARACTERISTICS', 'ROLE', 'AUTHORIZATION', 'a quoted setting']);
const ENDS = new Set(['BEGIN', 'START', 'COMMIT', 'END', 'ABORT']);

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
  const why = refusal(sql);
  if (why !== undefined) {
    return refused(why);
  }
  const [first = '', second] = leadingWords(sql, 2);
  const clean = (CLEAN.has(first) && !SOILING.test(sql)) || (first === 'SET' && second === 'LOCAL');
  return { kind: 'accepted', changes: CHANGES.has(first), soils: !clean };
}

function refused(message: string): StatementKind {
  return { kind: 'refused', reason: { code: 'STATEMENT_REFUSED', message, retryable: false } };
}

function refusal(sql: string): string | undefined {
  if (sql.includes('\0')) {
    // The protocol ends texts with a zero: what follows one would be read as another message's content.
    return 'the statement contains a zero character';
  }
  const [first = '', second = '', third = ''] = leadingWords(sql, 3);
  if (ENDS.has(first) || (first === 'PREPARE' && second === 'TRANSACTION')) {
    return `${first} would end the branch; the coordinator does that`;
  }
  if (first === 'ROLLBACK' && second !== 'TO' && third !== 'TO') {
    return 'ROLLBACK would end the branch; the coordinator does that';
  }
  if (first === 'SET' || first === 'RESET') {
    // A quoted name is refused unread: it may spell any of these.
    const setting = leadingWords(sql, 4).find((word) => !MODIFIERS.has(word)) ?? 'a quoted setting';
    return ANCHORED.has(setting) ? `${first} of ${setting} would change the branch, or who owns it` : undefined;
  }
  if (first === 'COPY') {
    return 'COPY needs a stream, and a branch has none';
  }
  return undefined;
}

/** The first `count` words in upper case, comments and white space skipped; nothing after the first other character. */
export function leadingWords(sql: string, count: number): readonly string[] {
  const words: string[] = [];
  let at = 0;
  while (words.length < count) {
    at = skipBlank(sql, at);
    const word = /^[A-Za-z_][A-Za-z0-9_$]*/.exec(sql.slice(at, at + 64))?.[0];
    if (word === undefined) {
      break;
    }
    words.push(word.toUpperCase());
    at += word.length;
  }
  return words;
}

/** Comments of both kinds; block comments nest in PostgreSQL. */
function skipBlank(sql: string, start: number): number {
  let at = start;
  for (;;) {
    if (/\s/.test(sql[at] ?? '')) {
      at += 1;
    } else if (sql.startsWith('--', at)) {
      const end = sql.indexOf('\n', at);
      at = end === -1 ? sql.length : end + 1;
    } else if (sql.startsWith('/*', at)) {
      at = blockCommentEnd(sql, at);
    } else {
      return at;
    }
  }
}

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
