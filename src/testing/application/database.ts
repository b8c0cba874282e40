// A database in memory for an application's tests: statements answer as they are told to, and everything about branches is as in earnest.
import type { Clock } from '../../lib/clock.ts';
import type { ResourceManager, Statement, StatementResult } from '../../participants/resource-manager.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { MemoryEngine } from '../engine/engine.ts';
import type { MemoryFault, MemoryVerb } from '../engine/faults.ts';
import { openMemoryResourceManager } from '../engine/resource-manager.ts';
import { ScriptedBranch } from './branch.ts';
import type {
  TestCall,
  TestDatabase,
  TestEngine,
  TestRefusal,
  TestReply,
  TestScript,
  TestStatement,
} from './public.ts';
import { executeOfTables } from './tables.ts';
import { fromSqlValue, toResult } from './values.ts';

const VERBS: Readonly<Record<TestCall, readonly MemoryVerb[]>> = {
  statement: ['execute'],
  prepare: ['prepare'],
  commit: ['commit', 'commit-one-phase'],
  rollback: ['rollback'],
};
const READS = /^\s*(?:\(\s*)*(?:select|show|values|explain|with)\b/i;
const ROW = 'statement:';
/** Branches open at once. */
const POOL_MAX = 1_000;

interface Sidecar {
  start(database: ScriptedDatabase): Promise<() => Promise<void>>;
}

/** Made by `startTesting`. */
export class ScriptedDatabase implements TestDatabase {
  readonly name: string;
  readonly #kind: TestEngine;
  readonly #engine: MemoryEngine;
  readonly #sidecar: Sidecar;
  #stop: (() => Promise<void>) | undefined;
  #scripts: { readonly fits: (sql: string) => boolean; readonly script: TestScript }[] = [];
  #troubles: { readonly verbs: readonly MemoryVerb[]; readonly fault: MemoryFault }[] = [];
  /** What the next statement of the memory engine is refused with: a script says so. */
  #refusal: Reason | undefined;
  /** By the number in the row that a statement leaves in its branch, and with it in the database. */
  readonly #statements = new Map<number, TestStatement>();
  #executed = 0;
  #shownFrom = 1;

  constructor(name: string, kind: TestEngine, sidecar: Sidecar) {
    this.name = name;
    this.#kind = kind;
    this.#engine = new MemoryEngine(`test-${name}`);
    this.#sidecar = sidecar;
  }

  /** For its sidecar. */
  open(clock: Clock): ResourceManager {
    const inner = openMemoryResourceManager({
      engine: this.#engine,
      clock,
      poolMax: POOL_MAX,
      faults: ({ verb }) => this.#faultOf(verb),
    });
    const execute = this.#execute.bind(this);
    return overriding(inner, {
      identify: async () => ({ ...(await inner.identify()), engine: this.#kind }),
      open: async (xid, options) => new ScriptedBranch(await inner.open(xid, options), { execute }),
    });
  }

  answer(statement: string | RegExp, script: TestScript): void {
    const fits = (sql: string): boolean => (typeof statement === 'string' ? sql === statement : statement.test(sql));
    this.#scripts.unshift({ fits, script });
  }

  get committed(): readonly TestStatement[] {
    const numbers = [...this.#engine.history().rows.keys()].flatMap((key) =>
      key.startsWith(ROW) ? [Number(key.slice(ROW.length))] : [],
    );
    const shown = numbers.filter((number) => number >= this.#shownFrom).sort((a, b) => a - b);
    return shown.flatMap((number) => this.#statements.get(number) ?? []);
  }

  get prepared(): number {
    return this.#engine.prepared().length;
  }

  refuse(call: TestCall, why: TestRefusal = { refused: `the test refused the ${call}` }): void {
    this.#trouble(call, { kind: 'refused', reason: reasonOf(why) });
  }

  lose(call: TestCall, what: 'request' | 'answer' = 'answer'): void {
    this.#trouble(call, { kind: what === 'request' ? 'lost-request' : 'lost-answer' });
  }

  delay(call: TestCall, milliseconds: number): void {
    this.#trouble(call, { kind: 'delayed', beforeMs: milliseconds, afterMs: 0 });
  }

  async start(): Promise<void> {
    this.#stop ??= await this.#sidecar.start(this);
  }

  async stop(): Promise<void> {
    const stop = this.#stop;
    this.#stop = undefined;
    await stop?.();
  }

  clear(): void {
    this.#scripts = [];
    this.#troubles = [];
    this.#shownFrom = this.#executed + 1;
  }

  #trouble(call: TestCall, fault: MemoryFault): void {
    this.#troubles.push({ verbs: VERBS[call], fault });
  }

  #faultOf(verb: MemoryVerb): MemoryFault {
    if (verb === 'execute' && this.#refusal !== undefined) {
      const reason = this.#refusal;
      this.#refusal = undefined;
      return { kind: 'refused', reason };
    }
    const index = this.#troubles.findIndex(({ verbs }) => verbs.includes(verb));
    return index < 0 ? { kind: 'none' } : (this.#troubles.splice(index, 1)[0]?.fault ?? { kind: 'none' });
  }

  async #execute(
    run: (statement: Statement) => Promise<StatementResult>,
    { sql, parameters }: Statement,
  ): Promise<StatementResult> {
    const runText = (text: string, values: Statement['parameters'] = []): Promise<StatementResult> =>
      run({ sql: text, parameters: values });
    const found = this.#scripts.find(({ fits }) => fits(sql));
    const ofTables = found === undefined ? await executeOfTables(runText, sql, parameters) : undefined;
    if (ofTables !== undefined) {
      return ofTables;
    }
    const values = parameters.map(fromSqlValue);
    const reply = await replyOf(found?.script ?? noAnswer(this.name, sql), values, sql);
    if ('refused' in reply) {
      this.#refusal = reasonOf(reply);
    }
    if (READS.test(sql)) {
      await runText('get nothing');
    } else {
      const number = ++this.#executed;
      this.#statements.set(number, { sql, parameters: values });
      await runText(`set ${ROW}${number} ${number}`);
    }
    return toResult(reply as Exclude<TestReply, TestRefusal>);
  }
}

async function replyOf(script: TestScript, parameters: readonly unknown[], sql: string): Promise<TestReply> {
  return typeof script === 'function' ? await script(parameters, sql) : script;
}

function noAnswer(name: string, sql: string): TestRefusal {
  return { refused: `no answer is given for the statement: ${sql}. Give it one: database('${name}').answer(…)` };
}

function reasonOf({ refused, sqlstate, errno, retryable = false }: TestRefusal): Reason {
  return {
    code: 'STATEMENT_FAILED',
    message: refused,
    retryable,
    ...(sqlstate !== undefined && { sqlstate }),
    ...(errno !== undefined && { errno }),
  };
}

/** The same object, but for some of its methods. */
function overriding<T extends object>(inner: T, others: Partial<T>): T {
  return new Proxy(inner, {
    get: (target, name) => {
      const other: unknown = Reflect.get(others, name);
      const value: unknown = other ?? Reflect.get(target, name, target);
      return typeof value === 'function' && other === undefined ? value.bind(target) : value;
    },
  });
}
