// Which statements a branch takes: everything except what would end it, change it, or outlive it. Pure.

/** `write`, `read`: executed even if the branch could not be opened without being able to commit anything by itself. */
export type StatementKind = 'write' | 'read' | 'session' | 'other';

export type Guarded = { readonly kind: StatementKind } | { readonly kind: 'refused'; readonly problem: string };

const WRITES: readonly string[] = ['INSERT', 'UPDATE', 'DELETE', 'REPLACE'];
const READS: readonly string[] = ['SELECT', 'WITH', '('];
/** Their effect stays with the session. */
const SESSION: readonly string[] = ['SET', 'USE'];

/**
 * What the engine would refuse anyway, or worse, would not. Compound statements can carry transaction control past any look at
 * the first word; prepared statements of the text kind outlive the branch.
 */
const REFUSED: ReadonlySet<string> = new Set([
  ...['XA', 'BEGIN', 'START', 'COMMIT', 'PREPARE', 'EXECUTE', 'DEALLOCATE', 'LOCK', 'UNLOCK'],
  ...['IF', 'CASE', 'LOOP', 'REPEAT', 'WHILE', 'FOR', 'DECLARE'],
]);

/** In a SET statement. `SET STATEMENT … FOR` runs any statement behind it. */
const REFUSED_IN_SET: ReadonlySet<string> = new Set([
  ...['TRANSACTION', 'AUTOCOMMIT', 'XA', 'BEGIN', 'START', 'COMMIT', 'ROLLBACK', 'EXECUTE'],
  ...['WAIT_TIMEOUT', 'PSEUDO_SLAVE_MODE', 'XA_DETACH_ON_PREPARE', 'SESSION_TRACK_STATE_CHANGE'],
]);

const SPACE_OR_COMMENT = /(?:\s+|#[^\n]*(?:\n|$)|--(?=\s|$)[^\n]*(?:\n|$)|\/\*(?!!|M!)[\s\S]*?(?:\*\/|$))*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_$]*|\(/y;
/** Variables, strings, quoted names, comments, words and everything else, one piece at a time. */
const PIECE =
  /@@|@[\w$.]*|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|#[^\n]*|--(?=\s|$)[^\n]*|\/\*[\s\S]*?\*\/|[A-Za-z_][A-Za-z0-9_$]*|[\s\S]/gy;

/** Reads as much of a statement as is needed to know what it is. */
export function guardStatement(sql: string): Guarded {
  const [first, second, third] = leadingWords(sql);
  if (first === undefined) {
    // `/*! … */` is code to some servers and a comment to others: what it begins with cannot be told from here.
    return refused('does not begin with a keyword');
  }
  if (first === 'ROLLBACK') {
    return second === 'TO' || (second === 'WORK' && third === 'TO') ? { kind: 'other' } : refused(`is a ${first}`);
  }
  if (REFUSED.has(first)) {
    return refused(`begins with ${first}`);
  }
  if (first === 'SET') {
    const word = words(sql).find((candidate) => REFUSED_IN_SET.has(candidate));
    return word === undefined ? { kind: 'session' } : refused(`sets or runs ${word}`);
  }
  return { kind: kindOf(first) };
}

function kindOf(first: string): StatementKind {
  if (WRITES.includes(first)) {
    return 'write';
  }
  if (READS.includes(first)) {
    return 'read';
  }
  return SESSION.includes(first) ? 'session' : 'other';
}

function refused(problem: string): Guarded {
  return { kind: 'refused', problem: `the statement ${problem}` };
}

function leadingWords(sql: string): readonly (string | undefined)[] {
  let offset = 0;
  return [0, 1, 2].map(() => {
    SPACE_OR_COMMENT.lastIndex = offset;
    WORD.lastIndex = offset + (SPACE_OR_COMMENT.exec(sql)?.[0].length ?? 0);
    const word = WORD.exec(sql)?.[0];
    offset = WORD.lastIndex;
    return word?.toUpperCase();
  });
}

function words(sql: string): readonly string[] {
  return (
    pieces(sql)
      // A quoted name is a name: SET @@`autocommit` is SET autocommit. What a comment holds may be code. @start is a user's own.
      .flatMap((piece) => (/^['"@]/.test(piece) ? [] : (piece.match(/[A-Za-z_]\w*/g) ?? [])))
      .map((word) => word.toUpperCase())
  );
}

function pieces(sql: string): readonly string[] {
  return Array.from(sql.matchAll(PIECE), ([piece]) => piece);
}

/**
 * Whether something follows a semicolon. Only to name the reason when the server has already refused the text: it takes one
 * statement at a time whatever this function says.
 */
export function hasSeveralStatements(sql: string): boolean {
  const all = pieces(sql);
  const semicolon = all.indexOf(';');
  return semicolon !== -1 && all.slice(semicolon + 1).some((piece) => !/^(?:\s|;|#|--|\/\*)/.test(piece));
}
