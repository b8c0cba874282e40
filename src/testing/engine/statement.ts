// The memory engine's tiny language: one line, words separated by spaces, `$1` for a parameter.

import {
  EngineError,
  type SqlValue,
  type Statement,
  type StatementResult,
} from '../../participants/resource-manager.ts';
import { RESULT_BYTES_MAX, RESULT_ROWS_MAX } from '../../xa/limits.ts';
import type { MemoryEngine, MemoryTransaction } from './engine.ts';
import { DeadlockError, type LockOwner } from './locks.ts';

const CONTROL = new Set(['begin', 'start', 'commit', 'end', 'rollback', 'abort', 'prepare', 'xa']);
const EMPTY: StatementResult = { columns: [], rows: [], rowCount: 0, insertId: 0n };

/**
 * Executes one statement: `set <key> <value>` · `get <key>` · `add <key> <integer>` · `echo <value>` · `rows <count>` ·
 * `bytes <count>` · `hang` (until the transaction ends) · `fail`. A value is an integer, a parameter, or text.
 * @throws {EngineError}
 */
export async function executeMemoryStatement(
  engine: MemoryEngine,
  transaction: MemoryTransaction,
  statement: Statement,
): Promise<StatementResult> {
  const words = statement.sql.trim().split(/\s+/);
  const [verb = '', key = ''] = words;
  if (CONTROL.has(verb.toLowerCase()) || statement.sql.includes(';')) {
    throw refused('STATEMENT_REFUSED', `the statement would end the branch, or is several: ${verb}`);
  }
  const value = (index: number): SqlValue => {
    const word = words[index];
    if (word === undefined) {
      throw refused('STATEMENT_FAILED', `${verb} needs more words`);
    }
    return decode(word, statement.parameters);
  };
  switch (verb) {
    case 'set': {
      const given = value(2);
      await lockForWrite(engine, transaction, key);
      engine.write(transaction, key, given);
      return { ...EMPTY, rowCount: 1 };
    }
    case 'add': {
      const amount = value(2);
      await lockForWrite(engine, transaction, key);
      const current = engine.read(transaction, key);
      if (current === undefined) {
        return EMPTY;
      }
      if (current.kind !== 'int' || amount.kind !== 'int') {
        throw refused('STATEMENT_FAILED', `${key} is not an integer`);
      }
      engine.write(transaction, key, { kind: 'int', value: current.value + amount.value });
      return { ...EMPTY, rowCount: 1 };
    }
    case 'get': {
      if (transaction.isolation === 'serializable') {
        await lock(engine, transaction, key);
      }
      const found = engine.read(transaction, key);
      return answer(found === undefined ? [] : [[found]]);
    }
    case 'echo':
      return answer([[value(1)]]);
    case 'rows':
      return rows(count(key, RESULT_ROWS_MAX));
    case 'bytes':
      return answer([[{ kind: 'text', value: 'x'.repeat(count(key, RESULT_BYTES_MAX)) }]]);
    case 'hang':
      // Waiting for its own lock held by nobody else never ends, except with the transaction: `abort` cancels the wait.
      await hang(engine, transaction);
      return EMPTY;
    case 'fail':
      throw refused('STATEMENT_FAILED', 'the statement failed, as it was told to');
    default:
      throw refused('STATEMENT_FAILED', `unknown statement: ${verb}`);
  }
}

function answer(found: readonly (readonly SqlValue[])[]): StatementResult {
  return { columns: [{ name: 'value', type: 'value' }], rows: found, rowCount: found.length, insertId: 0n };
}

function rows(wanted: number): StatementResult {
  return answer(
    Array.from({ length: wanted }, (_, index): readonly SqlValue[] => [{ kind: 'int', value: BigInt(index) }]),
  );
}

function count(word: string, limit: number): number {
  const wanted = Number(word);
  if (!Number.isSafeInteger(wanted) || wanted < 0) {
    throw refused('STATEMENT_FAILED', `not a count: ${word}`);
  }
  if (wanted > limit) {
    throw refused('LIMIT_RESULT', `the statement answers ${wanted}, more than ${limit}`);
  }
  return wanted;
}

function decode(word: string, parameters: readonly SqlValue[]): SqlValue {
  const index = /^\$([1-9][0-9]{0,3})$/.exec(word)?.[1];
  if (index !== undefined) {
    const parameter = parameters[Number(index) - 1];
    if (parameter === undefined) {
      throw refused('STATEMENT_FAILED', `there is no parameter ${word}`);
    }
    return parameter;
  }
  return /^-?[0-9]{1,30}$/.test(word) ? { kind: 'int', value: BigInt(word) } : { kind: 'text', value: word };
}

async function lockForWrite(engine: MemoryEngine, transaction: MemoryTransaction, key: string): Promise<void> {
  if (transaction.readOnly) {
    throw refused('STATEMENT_FAILED', 'the branch is read-only');
  }
  await lock(engine, transaction, key);
}

async function lock(engine: MemoryEngine, transaction: MemoryTransaction, key: string): Promise<void> {
  try {
    await engine.locks.acquire(transaction, key);
    if (!engine.isActive(transaction)) {
      // A granted wait resumes one turn later, and the transaction may have been aborted in between.
      throw new Error('the transaction was aborted');
    }
  } catch (error) {
    if (error instanceof DeadlockError) {
      throw refused('STATEMENT_FAILED', error.message, true);
    }
    throw new EngineError(
      {
        code: 'ENGINE_UNAVAILABLE',
        message: 'the session ended while the statement waited for a lock',
        retryable: true,
      },
      { sessionLost: true, cause: error },
    );
  }
}

async function hang(engine: MemoryEngine, transaction: MemoryTransaction): Promise<void> {
  const holder: LockOwner = { held: new Set<string>(), waitsFor: undefined };
  const key = ` hang ${transaction.session.tag}`;
  // Granted at once, for the key is fresh; an await here would let an abort pass unseen.
  void engine.locks.acquire(holder, key);
  try {
    await lock(engine, transaction, key);
  } finally {
    engine.locks.release(holder);
  }
}

function refused(code: string, message: string, retryable = false): EngineError {
  return new EngineError({ code, message, retryable }, { sessionLost: false });
}
