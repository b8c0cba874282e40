// The contract suite on the memory engine, and its fault hooks.

import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { SqlValue } from '../../src/participants/resource-manager.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import type { MemoryFault, MemoryVerb } from '../../src/testing/engine/faults.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { formatXid } from '../../src/xa/xid.ts';
import {
  type ContractHarness,
  freshKey,
  freshXid,
  resourceManagerContract,
  steps,
} from './resource-manager-contract.ts';

function memoryHarness(): ContractHarness {
  const engine = new MemoryEngine('contract');
  const foreign = [
    '_123_abc',
    'Concordat',
    'aaaaaaaaaa.1.1:accounts',
    'aaaaaaaaaa.1.1:Accounts:abcdefghijkl',
    'aaaaaaaaaa.1:accounts',
    'aaaaaaaaaa.1.1:accounts ',
    'ü\u0000',
  ];
  const echo = (name: string, value: SqlValue) => ({
    name,
    statement: { sql: 'echo $1', parameters: [value] },
    expected: value,
  });
  return {
    engine: 'memory',
    open: async (options = {}) =>
      openMemoryResourceManager({
        engine,
        clock: systemClock,
        ...(options.poolMax === undefined ? {} : { poolMax: options.poolMax }),
      }),
    kill: async () => engine.crash(),
    start: async () => engine.start(),
    endSessions: async () => engine.endSessions('an administrator ended the session'),
    async committed(key) {
      const value = engine.read(undefined, key);
      return value?.kind === 'int' ? value.value : undefined;
    },
    async finishByHand(xid, verb) {
      const prepared = engine.prepared().find(({ id }) => id.startsWith(`${formatXid(xid)}:`));
      expect(engine.finish(prepared?.id ?? '', verb)).toBe(true);
    },
    async prepareForeign() {
      for (const id of foreign) {
        const transaction = engine.begin(
          { tag: id, ended: () => undefined },
          { isolation: 'default', readOnly: false },
        );
        expect(engine.prepare(transaction, id, systemClock.now())).toBe(true);
      }
      return foreign.length;
    },
    async dropForeign() {
      expect(foreign.map((id) => engine.finish(id, 'rollback'))).toEqual(foreign.map(() => true));
    },
    sql: {
      put: (key, value) => ({ sql: `set ${key} $1`, parameters: [{ kind: 'int', value }] }),
      add: (key, value) => ({ sql: `add ${key} $1`, parameters: [{ kind: 'int', value }] }),
      get: (key) => ({ sql: `get ${key}`, parameters: [] }),
      failing: { sql: 'fail', parameters: [] },
      slow: { sql: 'hang', parameters: [] },
      rows: (count) => ({ sql: `rows ${count}`, parameters: [] }),
      bytes: (count) => ({ sql: `bytes ${count}`, parameters: [] }),
      refused: ['begin', 'COMMIT', 'rollback', 'xa end', 'get a; get b'],
    },
    typed: [
      echo('null', { kind: 'null' }),
      echo('bool', { kind: 'bool', value: true }),
      echo('the largest integer', { kind: 'int', value: 2n ** 63n - 1n }),
      echo('double', { kind: 'double', value: 0.1 }),
      echo('text', { kind: 'text', value: `it's "ü" \\ $1` }),
      echo('bytes', { kind: 'bytes', value: Uint8Array.of(0, 255, 0) }),
    ],
    can: { fenceOtherLives: true, tellBlocked: true },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

resourceManagerContract('the memory engine', async () => memoryHarness());

describe('faults of the memory engine', () => {
  const faulty = (verb: MemoryVerb, fault: MemoryFault) => {
    const engine = new MemoryEngine('faults');
    let armed = true;
    const manager = openMemoryResourceManager({
      engine,
      clock: systemClock,
      faults: (call) => {
        if (!armed || call.verb !== verb) {
          return { kind: 'none' };
        }
        armed = false;
        return fault;
      },
    });
    return { engine, manager };
  };

  it('a prepare whose request is lost leaves nothing prepared', async () => {
    const { engine, manager } = faulty('prepare', { kind: 'lost-request' });
    const branch = await manager.open(freshXid(), steps.OPTIONS);
    await branch.execute({ sql: 'set a 1', parameters: [] });
    expect((await branch.prepare()).kind).toBe('rollback');
    expect(engine.prepared()).toEqual([]);
  });

  it('a prepare whose answer is lost votes rollback although the engine holds the branch prepared', async () => {
    const { engine, manager } = faulty('prepare', { kind: 'lost-answer' });
    const xid = freshXid();
    const branch = await manager.open(xid, steps.OPTIONS);
    await branch.execute({ sql: 'set a 1', parameters: [] });
    expect((await branch.prepare()).kind).toBe('rollback');
    expect(engine.prepared().map(({ id }) => id)).toEqual([expect.stringContaining(`${formatXid(xid)}:`)]);
    expect(await manager.rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
    expect(engine.prepared()).toEqual([]);
  });

  it('a commit whose answer is lost is unknown, and done when it is repeated', async () => {
    const { engine, manager } = faulty('commit', { kind: 'lost-answer' });
    const key = freshKey();
    const xid = freshXid();
    const branch = await manager.open(xid, steps.OPTIONS);
    await branch.execute({ sql: `set ${key} 1`, parameters: [] });
    const evidence = steps.expectPrepared(await branch.prepare());
    expect((await manager.commit(xid, evidence)).kind).toBe('unknown');
    expect(engine.read(undefined, key)).toEqual({ kind: 'int', value: 1n });
    expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
  });

  it('a one-phase commit whose answer is lost is unknown, never rolled back', async () => {
    const { manager } = faulty('commit-one-phase', { kind: 'lost-answer' });
    const branch = await manager.open(freshXid(), steps.OPTIONS);
    await branch.execute({ sql: 'set a 1', parameters: [] });
    expect((await steps.endInOnePhase(branch)).kind).toBe('unknown');
    expect((await steps.endInOnePhase(branch)).kind).toBe('unknown');
  });

  it('a refusal is reported in its own words and a delay only delays', async () => {
    const reason = { code: 'STATEMENT_FAILED', message: 'no', retryable: true };
    const refused = faulty('execute', { kind: 'refused', reason });
    const branch = await refused.manager.open(freshXid(), steps.OPTIONS);
    expect((await steps.engineError(branch.execute({ sql: 'get a', parameters: [] }))).reason).toEqual(reason);
    const late = faulty('list', { kind: 'delayed', beforeMs: 20, afterMs: 20 });
    const started = performance.now();
    expect(await late.manager.list()).toEqual([]);
    expect(performance.now() - started).toBeGreaterThanOrEqual(39);
  });
});
