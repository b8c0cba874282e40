// What an application's text does to the transaction of its PostgreSQL client, and what is sent instead.
import { AMBIGUOUS, agree, type OwnControl, SAME, type Translation, translate } from '../../lent/own-control.ts';
import type { ScannedStatement } from '../../lent/scanned.ts';
import { scanPostgres } from './scan.ts';

/** Whatever cannot be of interest does not hold one of these words. */
const OF_INTEREST = /\b(?:begin|start|commit|end|rollback|abort|prepare|set|reset|discard)\b|\0/i;
/** One statement, and of a kind that leaves its transaction alone: most are seen so, without reading them. */
const PLAIN = /^[ \t\n\r]*(?:select|insert|update|delete|with|merge|values)\b[^;\0]*$/i;
const NONE: OwnControl = { kind: 'none' };

/** Settings by which the branch is found, or which say whose it is. U&"…" may spell any of them. */
const KEPT = new Set(['SESSION_AUTHORIZATION', 'AUTHORIZATION', 'APPLICATION_NAME', 'CONCORDAT', 'U']);

/**
 * @param form `extended`: the server takes one statement only.
 * @param depth how many transactions of the application's own are open.
 */
export function translatePostgres(sql: string, form: 'simple' | 'extended', depth: number): Translation {
  if (PLAIN.test(sql) || !OF_INTEREST.test(sql)) {
    return SAME;
  }
  if (sql.includes('\0')) {
    // The protocol ends texts with a zero: what follows one would be read as another message's content.
    return { kind: 'refused', why: 'the statement contains a zero character', dooms: false };
  }
  const plain = read(sql, form, depth, false);
  return sql.includes('\\') ? agree(plain, read(sql, form, depth, true)) : plain;
}

function read(sql: string, form: 'simple' | 'extended', depth: number, backslashes: boolean): Translation {
  const statements = scanPostgres(sql, backslashes).map((statement) => ({
    ...statement,
    control: controlOf(sql, statement),
  }));
  if (form === 'extended' && statements.length > 1) {
    return statements.every(({ control }) => control.kind === 'none') ? SAME : AMBIGUOUS;
  }
  const hasModes = statements.some(({ control }) => control.kind === 'begin' && control.modes !== '');
  if (form === 'extended' && hasModes) {
    const why = 'BEGIN with a mode cannot become a savepoint here. Next: give isolation and readOnly to enlist()';
    return { kind: 'refused', why, dooms: false };
  }
  // The engine takes the level that the transaction has, and refuses another one.
  return translate(sql, statements, depth, (modes) => `set transaction ${modes}`);
}

function controlOf(sql: string, { start, end, words }: ScannedStatement): OwnControl {
  const [first = '', second = ''] = words;
  const isNamed = second === 'WORK' || second === 'TRANSACTION';
  const rest = words.slice(isNamed ? 2 : 1);
  switch (first) {
    case 'BEGIN':
      return { kind: 'begin', modes: behind(sql.slice(start, end), isNamed ? 2 : 1) };
    case 'START':
      return second === 'TRANSACTION' ? { kind: 'begin', modes: behind(sql.slice(start, end), 2) } : NONE;
    case 'COMMIT':
    case 'END':
      return endOf(first, 'commit', rest);
    case 'ROLLBACK':
    case 'ABORT':
      return rest[0] === 'TO' ? NONE : endOf(first, 'rollback', rest);
    case 'PREPARE':
      return second === 'TRANSACTION'
        ? refused('PREPARE TRANSACTION would take the branch away from the global transaction')
        : NONE;
    case 'DISCARD':
      return second === 'ALL' ? refused('DISCARD ALL would take from the session what its branch is found by') : NONE;
    case 'SET':
    case 'RESET':
      return settingOf(first, words.slice(1));
    default:
      return NONE;
  }
}

function endOf(word: string, kind: 'commit' | 'rollback', rest: readonly string[]): OwnControl {
  if (rest[0] === 'PREPARED') {
    return refused(`${word} PREPARED cannot run in a transaction`);
  }
  return rest[0] === 'AND' && rest[1] === 'CHAIN'
    ? refused(`${word} AND CHAIN cannot become a savepoint. Next: send ${word} and BEGIN`)
    : { kind };
}

function settingOf(verb: string, words: readonly string[]): OwnControl {
  if (verb === 'RESET' && words[0] === 'ALL') {
    return refused('RESET ALL would take from the session what its branch is found by');
  }
  const names = words.map((word) => word.replace(/^"(.*)"$/s, '$1').toUpperCase());
  const name = names.find((candidate) => candidate !== 'LOCAL' && candidate !== 'SESSION') ?? '';
  return KEPT.has(name.split('.')[0] ?? '')
    ? refused(`${verb} of ${name.toLowerCase()} would change who owns the branch, or by what it is found`)
    : NONE;
}

function refused(why: string): OwnControl {
  return { kind: 'refused', why };
}

/** What follows the first `count` words. No comment is looked for in it: what the engine does not understand, it refuses. */
function behind(statement: string, count: number): string {
  return statement.replace(new RegExp(`^(?:${count === 2 ? '\\w+\\W+' : ''})\\w+`), '').trim();
}
