// `npm run reliability`: writes docs/reliability.md from the rows and from the titles of the tests.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readOptions, UsageError } from '../disk/options.ts';
import { findings, notPassed } from './findings.ts';
import { pageOf } from './page.ts';
import { readTables, rowsByName } from './rows.ts';
import { namedIn, namelessIn } from './titles.ts';

const HELP = `npm run reliability -- [options]

Writes docs/reliability.md: every row of proof/tables/rows.json, and the tests that have it in their title, as "(faults F26)" or
"(conformance D9)". Nothing is written while a row has no test, a test names a row that does not exist, or, with a report, a row did
not pass.

  --from FILE   the JSON report of a whole run (npm test -- --reporter=default --reporter=json --outputFile.json=FILE): every row must
                have passed in it
  --check       write nothing; the page must be what would be written
  --json        end with one line of JSON: {"rows","applicable","tests","findings"}
  --help

Exit code 1: something of this is not so; each finding is a line. 2: the command line was wrong.`;

try {
  process.exitCode = run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

function run(args: readonly string[]): number {
  const given = readOptions(args, { from: 'text', check: 'flag', json: 'flag', help: 'flag' });
  if (given.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const root = join(import.meta.dirname, '..', '..');
  const page = join(root, 'docs', 'reliability.md');
  const tables = readTables();
  const named = namedIn(join(root, 'test'));
  const found = [
    ...findings(tables, named, namelessIn(join(root, 'test'))),
    ...(typeof given.from === 'string' ? notPassed(tables, given.from) : []),
  ];
  if (found.length === 0) {
    const text = pageOf(tables, named);
    if (given.check !== true) {
      writeFileSync(page, text);
    } else if (readFileSync(page, 'utf8') !== text) {
      found.push('docs/reliability.md is not current: npm run reliability');
    }
  }
  for (const finding of found) {
    process.stdout.write(`${finding}\n`);
  }
  const rows = [...rowsByName(tables).values()];
  const applicable = rows.filter(({ not }) => not === undefined).length;
  process.stdout.write(
    given.json === true
      ? `${JSON.stringify({ rows: rows.length, applicable, tests: named.length, findings: found.length })}\n`
      : `${applicable} of ${rows.length} rows apply, ${named.length} titles name them; ${found.length} findings\n`,
  );
  return found.length === 0 ? 0 : 1;
}
