// Statements that a session keeps at the server: parsed once, forgotten in time, and never in the way.
import { describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { BatchOutcome, BatchStep } from '../../src/participants/postgres/protocol/batch.ts';
import { statementReason } from '../../src/participants/postgres/protocol/errors.ts';
import { openSession } from '../../src/participants/postgres/session/connect.ts';
import type { PgSession } from '../../src/participants/postgres/session/session.ts';

export function postgresNameCases(name: string, server: () => EngineServer): void {
  describe(`the named statements of a session at ${name}`, () => {
    it('a text that comes again is parsed once, and answers the same', async () => {
      await using opened = await open(server());
      for (let n = 1; n <= 4; n += 1) {
        expect(rowsOf(await opened.run({ text: 'select $1::int + 1', values: [String(n)] }))).toEqual([
          [String(n + 1)],
        ]);
      }
      expect(await opened.names()).toEqual(['select $1::int + 1']);
    });

    it('a text that comes once gets no name, and a hundred others push the oldest out', async () => {
      await using opened = await open(server());
      await opened.run({ text: 'select 1 + $1::int', values: ['1'] });
      expect(await opened.names()).toEqual([]);
      for (let n = 0; n < 120; n += 1) {
        const step = { text: `select ${n} + $1::int`, values: ['1'] };
        await opened.run(step);
        await opened.run(step);
      }
      await opened.run({ text: 'select 1', values: [] });
      expect(await opened.names()).toHaveLength(100);
      expect(rowsOf(await opened.run({ text: 'select 0 + $1::int', values: ['7'] }))).toEqual([['7']]);
    });

    it('a name that was to be given behind an error is given again', async () => {
      await using opened = await open(server());
      const step = { text: 'select 100 / $1::int', values: ['0'] };
      for (let n = 0; n < 3; n += 1) {
        const failed = await opened.run(step);
        expect(failed.kind === 'answered' && failed.error?.code).toBe('22012');
      }
      expect(rowsOf(await opened.run({ ...step, values: ['5'] }))).toEqual([['20']]);
      expect(rowsOf(await opened.run({ ...step, values: ['4'] }))).toEqual([['25']]);
    });

    it('a plan that an altered table does not fit fails once, retryable, and is made anew', async () => {
      await using opened = await open(server());
      await opened.run({ text: 'create temp table altered (id int)' });
      const step = { text: 'select * from altered where id = $1', values: ['1'] };
      await opened.run(step);
      await opened.run(step);
      await opened.run(step);
      await opened.run({ text: 'alter table altered add column note text' });
      const failed = await opened.run(step);
      const error = failed.kind === 'answered' ? failed.error : undefined;
      expect(error?.code).toBe('0A000');
      expect(error !== undefined && statementReason(error).retryable).toBe(true);
      expect(rowsOf(await opened.run(step))).toEqual([]);
    });

    it('names that the application took away fail once and are given anew', async () => {
      await using opened = await open(server());
      const step = { text: 'select $1::text', values: ['x'] };
      await opened.run(step);
      await opened.run(step);
      await opened.run({ text: 'deallocate all' });
      const failed = await opened.run(step);
      expect(failed.kind === 'answered' && failed.error?.code).toBe('26000');
      expect(rowsOf(await opened.run(step))).toEqual([['x']]);
    });
  });
}

interface Opened extends AsyncDisposable {
  run(step: BatchStep): Promise<BatchOutcome>;
  /** The texts that the server keeps for the session. */
  names(): Promise<string[]>;
}

async function open(server: EngineServer): Promise<Opened> {
  const session: PgSession = await openSession({
    client: { connectionString: server.url },
    applicationName: 'concordat test',
    role: undefined,
    lockTimeoutMs: 1_000,
    idleTimeoutMs: 10_000,
    connectTimeoutMs: 5_000,
    clock: systemClock,
  });
  return {
    run: (step) => session.run({ kind: 'steps', steps: [step] }),
    names: async () => {
      const listed = await session.run({ kind: 'simple', text: 'select statement from pg_prepared_statements' });
      return rowsOf(listed).map(([text]) => text ?? '');
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}

function rowsOf(outcome: BatchOutcome): readonly (readonly (string | null)[])[] {
  expect(outcome).toMatchObject({ kind: 'answered', error: undefined });
  return outcome.kind === 'answered' ? (outcome.results[0]?.rows ?? []) : [];
}
