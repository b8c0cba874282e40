// What is wrong with the tables: rows that no test holds, tests of rows that do not exist, and rows whose tests did not pass.
import { readFileSync } from 'node:fs';
import { UsageError } from '../disk/options.ts';
import { rowsByName, type Tables } from './rows.ts';
import { type Named, rowsIn } from './titles.ts';

/** Sentences, none if everything fits together. */
export function findings(tables: Tables, named: readonly Named[], nameless: readonly string[]): readonly string[] {
  const rows = rowsByName(tables);
  const held = new Set(named.flatMap((one) => one.rows));
  return [
    ...[...rows].flatMap(([name, { not }]) => {
      if (not === undefined) {
        return held.has(name) ? [] : [`${name}: no test has it in its title`];
      }
      return held.has(name) ? [`${name}: said not to apply, and a test names it`] : [];
    }),
    ...[...held].filter((name) => !rows.has(name)).map((name) => `${name}: a test names it, and it is in no list`),
    ...nameless.map((title) => `say of which list the row is: ${title}`),
  ];
}

/** The part of vitest's JSON report that counts here. */
interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Rows of which a test failed, or none ran, in the run that `path` reports. @throws {UsageError} it is no report of vitest. */
export function notPassed(tables: Tables, path: string): readonly string[] {
  const statuses = new Map<string, Set<string>>();
  const { testResults } = readReport(path);
  for (const { fullName, status } of testResults.flatMap((file) => file.assertionResults)) {
    for (const row of rowsIn(fullName)) {
      statuses.set(row, (statuses.get(row) ?? new Set()).add(status));
    }
  }
  return [...rowsByName(tables)].flatMap(([name, { not }]) => {
    const seen = statuses.get(name) ?? new Set();
    if (not !== undefined || (seen.has('passed') && !seen.has('failed'))) {
      return [];
    }
    return [`${name}: ${seen.has('failed') ? 'a test of it failed' : 'no test of it ran'}`];
  });
}

function readReport(path: string): Report {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8')) as Partial<Report>;
    if (report.testResults !== undefined) {
      return { testResults: report.testResults };
    }
  } catch {
    // Said below: whatever it is, it is not what was asked for.
  }
  throw new UsageError(`${path} is no JSON report of vitest: npm run reliability -- --help says how to make one`);
}
