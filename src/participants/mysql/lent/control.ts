// What an application's text does to the transaction of its MySQL or MariaDB connection, and what is sent instead.

import { agree, type OwnControl, SAME, type Translation, translate } from '../../lent/own-control.ts';
import type { ScannedStatement } from '../../lent/scanned.ts';
import { scanMysql } from './scan.ts';

/** Whatever cannot be of interest does not hold one of these words. */
const OF_INTEREST =
  /\b(?:begin|start|commit|rollback|xa|set|prepare|execute|deallocate|if|case|loop|repeat|while|for|declare)\b|`/i;
/** One statement, and of a kind that leaves its transaction alone: most are seen so, without reading them. */
const PLAIN = /^[ \t\n\r]*(?:select|insert|update|delete|replace)\b[^;]*$/i;
const NONE: OwnControl = { kind: 'none' };

/** Compound statements carry transaction control past any look at the first word, and so do prepared texts. */
const HIDING = new Set(['IF', 'CASE', 'LOOP', 'REPEAT', 'WHILE', 'FOR', 'DECLARE', 'PREPARE', 'EXECUTE', 'DEALLOCATE']);

/** In a SET statement. `SET STATEMENT … FOR` runs any statement behind it. */
const REFUSED_IN_SET = new Set([
  ...['TRANSACTION', 'XA', 'BEGIN', 'START', 'COMMIT', 'ROLLBACK', 'EXECUTE', 'PREPARE'],
  ...['PSEUDO_SLAVE_MODE', 'PSEUDO_REPLICA_MODE', 'XA_DETACH_ON_PREPARE'],
]);

/** @param depth how many transactions of the application's own are open. */
export function translateMysql(sql: string, depth: number): Translation {
  if (PLAIN.test(sql) || !OF_INTEREST.test(sql)) {
    return SAME;
  }
  const readings = [true, ...(sql.includes('\\') ? [false] : [])].flatMap((backslashes) =>
    [true, ...(sql.includes('/*') ? [false] : [])].map((codeInComments) =>
      translate(
        sql,
        scanMysql(sql, { backslashes, codeInComments }).map((statement) => ({
          ...statement,
          control: controlOf(statement),
        })),
        depth,
        () => undefined,
      ),
    ),
  );
  return readings.reduce(agree);
}

function controlOf({ words }: ScannedStatement): OwnControl {
  const [first = '', second = ''] = words;
  const rest = words.slice(second === 'WORK' ? 2 : 1);
  if (HIDING.has(first)) {
    return refused(`${first} could hide the end of the transaction`);
  }
  switch (first) {
    case 'BEGIN':
      return words[rest.length === words.length - 1 ? 1 : 2] === undefined
        ? { kind: 'begin', modes: '' }
        : refused('a compound statement could hide the end of the transaction');
    case 'START':
      return second === 'TRANSACTION' ? { kind: 'begin', modes: '' } : NONE;
    case 'COMMIT':
    case 'ROLLBACK':
      return rest[0] === 'TO' ? NONE : endOf(first, rest);
    case 'XA':
      return refused('XA statements are the global transaction’s own');
    case 'SET':
      return settingOf(words);
    default:
      return NONE;
  }
}

function endOf(word: 'COMMIT' | 'ROLLBACK', rest: readonly string[]): OwnControl {
  const isPlain = rest.every((piece, index) => (piece !== 'CHAIN' && piece !== 'RELEASE') || rest[index - 1] === 'NO');
  return isPlain
    ? { kind: word === 'COMMIT' ? 'commit' : 'rollback' }
    : refused(`${word} AND CHAIN or RELEASE cannot become a savepoint. Next: send ${word}, and START TRANSACTION`);
}

function settingOf(words: readonly string[]): OwnControl {
  const isForSession = words[1] === 'SESSION' || words[1] === 'GLOBAL';
  const word = words.slice(1).find((candidate) => REFUSED_IN_SET.has(candidate));
  if (word === undefined || (isForSession && words[2] === 'TRANSACTION')) {
    return NONE; // The session's own, for what it does later.
  }
  return word === 'TRANSACTION'
    ? refused('the transaction has begun. Next: give isolation and readOnly to enlist()')
    : refused(`SET of ${word} would change or end the branch`);
}

function refused(why: string): OwnControl {
  return { kind: 'refused', why };
}
