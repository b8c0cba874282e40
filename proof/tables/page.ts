// docs/reliability.md: the rows, and the tests that hold them. The same rows and titles make the same page, byte for byte.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LISTS, type ListName, type Row, type Tables } from './rows.ts';
import type { Named } from './titles.ts';

const TITLES: Readonly<Record<ListName, string>> = {
  faults: 'Faults and bad inputs',
  conformance: 'Conformance',
  field: 'In practice',
  security: 'Attacks',
};

/** What a test stands on, told by where it is; the first that fits counts. */
const LEVELS: readonly (readonly [RegExp, string])[] = [
  [/^engine\//, 'engine'],
  [/^participant-engine\//, 'engine of the participant'],
  [/^e2e\//, 'real processes and databases'],
  [/^proof\/(?:crash|disk)/, 'real log, every system call'],
  [/^proof\/sim/, 'simulator'],
  [/^proof\//, 'proofs'],
  [/^log\//, 'log'],
  [/^coordinator\/program/, 'real process'],
  [/^coordinator\//, 'coordinator'],
  [/^participants\/(?:postgres-parts|mysql-units)/, 'unit'],
  [/^participants\/contract\//, 'every engine'],
  [/^participants\/(?:postgres|mysql|mariadb|sidecar-postgres)/, 'real databases'],
  [/^participants\//, 'participant'],
  [/^client\//, 'client'],
  [/^cli\//, 'command line'],
  [/^dev\//, 'playground'],
  [/^floods\//, 'real process'],
  [/^orms\//, 'real libraries and databases'],
  [/^scripts\//, 'scripts'],
  [/^wire\//, 'wire'],
];

/** More say nothing more: the others are found by the row's name. */
const TESTS_SHOWN_MAX = 3;

/** The whole page. */
export function pageOf(tables: Tables, named: readonly Named[]): string {
  const head = readFileSync(join(import.meta.dirname, 'head.md'), 'utf8').trimEnd();
  const blocks = LISTS.flatMap((list) => [`## ${TITLES[list]}`, ...sectionsOf(list, tables, named)]);
  return `${[head, ...blocks, '## Rows that do not apply', notApplicable(tables)].join('\n\n')}\n`;
}

function sectionsOf(list: ListName, tables: Tables, named: readonly Named[]): readonly string[] {
  return tables[list].flatMap(({ title, rows }) => {
    const lines = rows.filter((row) => row.not === undefined).map((row) => lineOf(list, row, named));
    const table = [
      '| row | what happens, and what holds | held by | also in | result |',
      '|---|---|---|---|---|',
      ...lines,
    ];
    return lines.length === 0 ? [] : [`### ${title}`, table.join('\n')];
  });
}

function lineOf(list: ListName, { id, says, proofs = [] }: Row, named: readonly Named[]): string {
  const tests = named.filter(({ rows }) => rows.includes(`${list} ${id}`));
  const shown = tests.slice(0, TESTS_SHOWN_MAX).map(({ file, title }) => `${levelOf(file)}: ${title} (\`${file}\`)`);
  const more = tests.length - shown.length;
  const held = [...shown, ...(more > 0 ? [`and ${more} more`] : [])].map(cell).join('<br>');
  return `| ${id} | ${cell(says)} | ${held} | ${proofs.map(cell).join('<br>')} | held by CI |`;
}

function notApplicable(tables: Tables): string {
  const rows = LISTS.flatMap((list) =>
    tables[list].flatMap((section) =>
      section.rows.flatMap(({ id, says, not }) =>
        not === undefined ? [] : [`| ${list} ${id} | ${cell(says)} | ${cell(not)} |`],
      ),
    ),
  );
  return ['| row | what would happen | why not |', '|---|---|---|', ...rows].join('\n');
}

/** @throws {Error} the level of a new place has to be said. */
export function levelOf(file: string): string {
  const level = LEVELS.find(([place]) => place.test(file))?.[1] ?? (file.startsWith('lib/') ? 'unit' : undefined);
  if (level === undefined) {
    throw new Error(`${file}: say in proof/tables/page.ts on what level its tests are`);
  }
  return level;
}

/** Text inside a table of Markdown. */
function cell(text: string): string {
  return text
    .replaceAll(/[|*_<\\](?!br>)/g, String.raw`\$&`)
    .replaceAll(/`[^`]*`/g, (code) => code.replaceAll('\\', ''));
}
