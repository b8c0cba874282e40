// The tables of `once` and `lock` in memory: the statements of the client, by their texts, in the memory engine's language.
import { LOCK_STATEMENTS } from '../../client/tables/lock.ts';
import { ONCE_STATEMENTS } from '../../client/tables/once.ts';
import type { TableEngine } from '../../client/tables/tables.ts';
import type { SqlValue, StatementResult } from '../../participants/resource-manager.ts';
import type { TestAnswer } from './public.ts';
import { fromSqlValue, givenValue, toResult } from './values.ts';

/** Executes one statement of the memory engine within the branch. */
type Run = (sql: string, parameters?: readonly SqlValue[]) => Promise<StatementResult>;
type Execute = (run: Run, parameters: readonly string[]) => Promise<TestAnswer>;

/** The word stands in a language whose words have no spaces. */
function key(table: string, name: string | undefined): string {
  return `${table}:${Buffer.from(name ?? '').toString('hex')}`;
}

/** Adds to a number under the lock of its row, which it makes if there is none. */
async function add(run: Run, row: string, amount: number): Promise<number> {
  // Waits for the lock in any case, and adds nothing where there is no row.
  if ((await run(`add ${row} ${amount}`)).rowCount === 0) {
    await run(`set ${row} ${amount}`);
  }
  return Number(fromSqlValue(firstOf(await run(`get ${row}`))));
}

function firstOf(result: StatementResult): SqlValue {
  return result.rows[0]?.[0] ?? { kind: 'null' };
}

type OnceRow = { readonly fingerprint: string | null; readonly result: string | null; readonly gtrid: string };

async function readOnce(run: Run, id: string | undefined): Promise<OnceRow | undefined> {
  const value = firstOf(await run(`get ${key('once', id)}`));
  return value.kind === 'text' ? (JSON.parse(value.value) as OnceRow) : undefined;
}

async function writeOnce(run: Run, id: string | undefined, row: OnceRow): Promise<void> {
  await run(`set ${key('once', id)} $1`, [givenValue(JSON.stringify(row))]);
}

const DONE: TestAnswer = { rowCount: 1 };

function statementsOf(engine: TableEngine): readonly (readonly [string, Execute])[] {
  const once = ONCE_STATEMENTS[engine];
  const lock = LOCK_STATEMENTS[engine];
  return [
    [
      once.insert,
      async (run, [id, fingerprint, gtrid = '']) => {
        await add(run, key('once-row', id), 1);
        if ((await readOnce(run, id)) !== undefined) {
          return { rowCount: 0 };
        }
        await writeOnce(run, id, { fingerprint: fingerprint ?? null, result: null, gtrid });
        return DONE;
      },
    ],
    [
      once.read,
      async (run, [id]) => {
        const row = await readOnce(run, id);
        return { rows: row === undefined ? [] : [row] };
      },
    ],
    [
      once.keep,
      async (run, [result, id]) => {
        const row = await readOnce(run, id);
        await writeOnce(run, id, { fingerprint: null, gtrid: '', ...row, result: result ?? null });
        return DONE;
      },
    ],
    [lock.look, async (_, [name]) => ({ rows: [{ name }] })],
    [
      lock.take,
      async (run, [, name]) => {
        await add(run, key('lock', name), 1);
        return DONE;
      },
    ],
    [
      lock.token,
      async (run, [name]) => {
        const token = await add(run, key('fence', name), 1);
        return engine === 'mysql' ? { rowCount: 1, insertId: token } : { rows: [{ token }] };
      },
    ],
  ];
}

const STATEMENTS: ReadonlyMap<string, Execute> = new Map([...statementsOf('postgresql'), ...statementsOf('mysql')]);

/** The answer, if the statement is one of `once` or `lock`. */
export async function executeOfTables(
  run: Run,
  sql: string,
  parameters: readonly SqlValue[],
): Promise<StatementResult | undefined> {
  const execute = STATEMENTS.get(sql);
  const texts = parameters.map((value) => (value.kind === 'text' ? value.value : undefined)) as string[];
  return execute === undefined ? undefined : toResult(await execute(run, texts));
}
