// `npm run bench:scenario -- NAME`: what a pair of databases under steady load does not show. It fails only if something is wrong,
// never for being slow.
import { parseArgs } from 'node:util';
import { oneOf, orComplain, UsageError } from '../options.ts';
import { columns } from '../table.ts';
import { branches } from './branches.ts';
import { contention } from './contention.ts';
import { history } from './history.ts';
import { long } from './long.ts';
import { memory } from './memory.ts';
import { mixes } from './mixes.ts';
import { recovery } from './recovery.ts';
import { type Line, type Scenario, Settings } from './scenario.ts';
import { slowDisk } from './slow-disk.ts';

const SCENARIOS = {
  branches,
  'slow-disk': slowDisk,
  history,
  recovery,
  memory,
  contention,
  mixes,
  long,
} as const satisfies Readonly<Record<string, Scenario>>;
const NAMES = Object.keys(SCENARIOS) as (keyof typeof SCENARIOS)[];

const HELP = `npm run bench:scenario -- NAME [options]

Starts what it needs, prints a table, and checks afterwards that nothing was lost, done twice or left behind.

${NAMES.map((name) => helpOf(name, SCENARIOS[name])).join('\n')}
of each:
  --json           end with one line of JSON: the rows of the table
  --help`;

const args = process.argv.slice(2);
const [name = '', ...rest] = args;
if (args.includes('--help')) {
  console.log(HELP);
} else {
  await orComplain(HELP, () => run(oneOf(NAMES, name, 'NAME'), rest));
}

async function run(chosen: keyof typeof SCENARIOS, given: readonly string[]): Promise<number> {
  const scenario: Scenario = SCENARIOS[chosen];
  const { json, texts } = read(scenario, given);
  const { lines, notes = [], wrong } = await scenario.run(new Settings(texts), (text) => console.error(text));
  console.log(table(lines));
  for (const sentence of [...notes, ...wrong.map((what) => `WRONG: ${what}`)]) {
    console.log(sentence);
  }
  if (json) {
    console.log(JSON.stringify(lines));
  }
  return wrong.length === 0 ? 0 : 1;
}

function read({ options }: Scenario, given: readonly string[]): { json: boolean; texts: Record<string, string> } {
  const known = Object.entries(options).map(([option, { fallback }]) => [
    option,
    { type: 'string' as const, default: fallback },
  ]);
  try {
    const { values } = parseArgs({
      args: [...given],
      options: { ...Object.fromEntries(known), json: { type: 'boolean', default: false } },
    });
    const { json, ...texts } = values as { json: boolean } & Record<string, string>;
    return { json, texts };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function table(lines: readonly Line[]): string {
  const head = Object.keys(lines[0] ?? {});
  const words = head.flatMap((column, n) => (typeof lines[0]?.[column] === 'string' ? [n] : []));
  return columns([head, ...lines.map((line) => head.map((column) => shown(line[column] ?? '')))], words);
}

/** As many digits as mean something. */
function shown(value: string | number): string {
  if (typeof value === 'string' || Number.isInteger(value)) {
    return String(value);
  }
  return Number.isNaN(value) ? '-' : value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function helpOf(title: string, { summary, options }: Scenario): string {
  const lines = Object.entries(options).map(
    ([option, { fallback, help }]) => `  ${`--${option}`.padEnd(16)} ${help}, default ${fallback}`,
  );
  return `${title}: ${summary}\n${lines.join('\n')}\n`;
}
