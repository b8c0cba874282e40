// The tables of what may go wrong, the titles of the tests, and the page that shows them belong together.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Blow } from '../../proof/chaos/plan.ts';
import { FAULT_KINDS } from '../../proof/sim/swarm.ts';
import { findings, notPassed } from '../../proof/tables/findings.ts';
import { pageOf } from '../../proof/tables/page.ts';
import { type Row, readTables, rowsByName, type Tables } from '../../proof/tables/rows.ts';
import { type Named, namedIn, namelessIn, rowsIn } from '../../proof/tables/titles.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const TESTS = join(ROOT, 'test');

describe('the tables', () => {
  test('have a test for every row that applies, and no test names a row that they have not', () => {
    expect(findings(readTables(), namedIn(TESTS), namelessIn(TESTS))).toEqual([]);
  });

  test('are shown by docs/reliability.md as they are (npm run reliability writes it)', () => {
    expect(readFileSync(join(ROOT, 'docs', 'reliability.md'), 'utf8')).toBe(pageOf(readTables(), namedIn(TESTS)));
  });

  test('name proofs that exist, and trouble that those know', () => {
    const trouble: Readonly<Record<string, readonly string[]>> = {
      checker: [],
      simulator: FAULT_KINDS,
      'crash-states': [],
      'disk-faults': [],
      chaos: ['kill', 'restart', 'freeze', 'link', 'isolate', 'disk'] satisfies Blow['kind'][],
    };
    for (const [name, { proofs = [] }] of rowsByName(readTables())) {
      for (const proof of proofs) {
        const [program = '', kind] = proof.split(':');
        expect(Object.keys(trouble), name).toContain(program);
        expect(kind === undefined || trouble[program]?.includes(kind), `${name}: ${proof}`).toBe(true);
      }
    }
  });
});

describe('a finding', () => {
  const row = (id: string, more: Partial<Row> = {}): Row => ({ id, says: 'something happens', ...more });
  const tables: Tables = {
    faults: [{ title: 'One', rows: [row('X1'), row('X2', { not: 'there is no such thing' })] }],
    conformance: [{ title: 'Two', rows: [row('X1')] }],
    field: [],
    security: [],
  };
  const named = (...rows: readonly string[]): Named => ({ file: 'engine/a.test.ts', title: 'a title', rows });

  test('is a row without a test, and not one that another list has', () => {
    expect(findings(tables, [named('faults X1', 'conformance X1')], [])).toEqual([]);
    expect(findings(tables, [named('faults X1')], [])).toEqual(['conformance X1: no test has it in its title']);
  });

  test('is a test of a row that does not apply, or of none', () => {
    expect(findings(tables, [named('faults X1', 'faults X2', 'faults X3', 'conformance X1')], [])).toEqual([
      'faults X2: said not to apply, and a test names it',
      'faults X3: a test names it, and it is in no list',
    ]);
  });

  test('is a title that does not say which list it means', () => {
    expect(findings(tables, [named('faults X1', 'conformance X1')], ['a title'])).toHaveLength(1);
  });
});

describe('the report of a run', () => {
  const tables: Tables = {
    faults: [],
    conformance: [{ title: 'One', rows: ['L1', 'L3', 'L4'].map((id) => ({ id, says: '' })) }],
    field: [],
    security: [],
  };
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'concordat-tests-report-'));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  test('has to have passed each row: one that failed, or did not run, is named', async () => {
    const path = join(directory, 'report.json');
    const ran = (id: string, status: string) => ({ fullName: `it is so (conformance ${id})`, status });
    const assertionResults = [ran('L1', 'passed'), ran('L3', 'passed'), ran('L3', 'failed'), ran('L4', 'skipped')];
    await writeFile(path, JSON.stringify({ testResults: [{ assertionResults }] }));
    expect(notPassed(tables, path)).toEqual([
      'conformance L3: a test of it failed',
      'conformance L4: no test of it ran',
    ]);
  });

  test('that is none is refused in one sentence', async () => {
    const path = join(directory, 'none.json');
    await writeFile(path, '{}');
    expect(() => notPassed(tables, path)).toThrow(/is no JSON report of vitest/);
    expect(() => notPassed(tables, join(directory, 'missing.json'))).toThrow(/is no JSON report of vitest/);
  });
});

test('a title names the rows that stand behind their list', () => {
  const tag = (list: string, ids: string): string => `it is so (${list} ${ids})`;
  expect(rowsIn(tag('faults', 'F26 B53, conformance L1'))).toEqual(['faults F26', 'faults B53', 'conformance L1']);
  expect(rowsIn(tag('conformance', 'I-1 D5'))).toEqual(['conformance I-1', 'conformance D5']);
  expect(rowsIn(tag('field', 'P2 R13, security X14'))).toEqual(['field P2', 'field R13', 'security X14']);
  expect(rowsIn('an invariant is no row (D8)')).toEqual([]);
});
