// `npm run chaos`: real processes and real databases, killed, frozen, cut off and mistreated; and nothing is lost, torn or made up.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineUnavailableError } from '../../src/dev/engines/index.ts';
import { FAILPOINTS } from '../../src/lib/failpoint.ts';
import { readOptions, UsageError } from '../disk/options.ts';
import { showProgress } from '../disk/progress.ts';
import { type ChaosOptions, type ChaosReport, runChaos } from './run.ts';
import { SIDE_NAMES, type SideName } from './sides.ts';

const KILLS = 300;

const HELP = `npm run chaos -- [options]

A coordinator, sidecars, four applications, PostgreSQL, MariaDB and MySQL, each a process of its own, with a proxy on every connection
between them. Of PostgreSQL's two sidecars one is in the process of MariaDB's, or of MySQL's where there is no MariaDB. While the
applications move money, count and write unique values in transactions over all databases, every process is killed with SIGKILL, at
random and at every named failpoint, also while it recovers and two at once; frozen; cut off, slowed down, half heard; and the
coordinator's disk is slow, fails and is full. Then all is healed, and judged from the tables: money and counters are right, what was
acknowledged is there on every side, what was rolled back on none, the order is the same everywhere, nothing is in doubt, the log
verifies. At the end branches are finished by hand against the decision: that must end as recorded damage. Last, each database comes back
without its newest history: a PostgreSQL standby that lags is promoted, a copy of MariaDB and of MySQL is put back. What they have kept
must be finished, and what they have lost must end as recorded damage.

  --seed N        of what goes wrong when, default: drawn
  --kills N       end with the episode in which so many were killed, default ${KILLS}
  --minutes N     go on for so long at least
  --engines LIST  two or three of ${SIDE_NAMES.join(',')}; default all
  --no-mistakes   leave out the scenes at the end, in which branches are finished by hand against the decision
  --no-histories  leave out the scenes in which databases lose their newest history
  --keep          keep what the processes said and were told in .concordat/chaos, also without a violation
  --json          end with one line of JSON: {"kills","transactions","violations","seed",…}
  --help

Exit code 1: a violation; what the processes said is kept in .concordat/chaos.`;

const KINDS = {
  seed: 'number',
  kills: 'number',
  minutes: 'number',
  engines: 'text',
  'no-mistakes': 'flag',
  'no-histories': 'flag',
  keep: 'flag',
  json: 'flag',
  help: 'flag',
} as const;

async function main(args: readonly string[]): Promise<number> {
  const given = readOptions(args, KINDS);
  if (given.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const seed = Number(given.seed ?? Math.floor(Math.random() * 1e9));
  const kills = Number(given.kills ?? (given.minutes === undefined ? KILLS : 0));
  const minutes = Number(given.minutes ?? 0);
  const sides = enginesOf(given.engines);
  process.stderr.write(`seed ${seed}\n`);
  const directory = mkdtempSync(join(tmpdir(), 'concordat-chaos-'));
  // As root PostgreSQL runs under another account, which must be able to enter.
  chmodSync(directory, 0o755);
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      // Every process has a guard that ends it when this one is gone.
      remove();
      process.exit(130);
    });
  }
  try {
    using progress = showProgress();
    const scenes = { mistakes: given['no-mistakes'] !== true, histories: given['no-histories'] !== true };
    const options: ChaosOptions = { seed, kills, minutes, sides, directory, ...scenes };
    const report = await runChaos(options, progress);
    if (report.violations.length > 0 || given.keep === true) {
      keep(directory, seed);
    }
    print(report, `npm run chaos -- --seed ${seed} --kills ${kills} --minutes ${minutes} --engines ${sides.join(',')}`);
    if (given.json === true) {
      process.stdout.write(`${JSON.stringify(summaryOf(report))}\n`);
    }
    return report.violations.length === 0 ? 0 : 1;
  } catch (error) {
    keep(directory, seed);
    throw error;
  } finally {
    remove();
  }
}

/** @throws {UsageError} */
function enginesOf(text: string | true | undefined): readonly SideName[] {
  if (text === undefined) {
    return SIDE_NAMES;
  }
  const names = String(text).split(',');
  const known = SIDE_NAMES.filter((name) => names.includes(name));
  if (known.length !== names.length || known.length < 2) {
    throw new UsageError(`--engines is two or three of ${SIDE_NAMES.join(',')}, not ${String(text)}`);
  }
  return known;
}

/** The programs' words, what the applications were told, and the log. */
function keep(directory: string, seed: number): void {
  const place = join(import.meta.dirname, '..', '..', '.concordat', 'chaos', `seed-${seed}`);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  cpSync(directory, place, {
    recursive: true,
    filter: (source) => !SIDE_NAMES.some((side) => source.startsWith(join(directory, side, 'data'))),
  });
  process.stderr.write(`what the processes said is in ${place}\n`);
}

function print(report: ChaosReport, again: string): void {
  const { violations, answers, faults, failpoints } = report;
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none';
  for (const { kind, why } of violations) {
    process.stdout.write(`${kind}: ${why}\n`);
  }
  if (violations.length > 0) {
    process.stdout.write(`  ${again}\n`);
  }
  process.stdout.write(`faults: ${list(faults)}\ndied at failpoints: ${list(failpoints)}\n`);
  const missed = Object.keys(FAILPOINTS).filter((name) => !failpoints.has(name));
  if (missed.length > 0) {
    process.stdout.write(`not met in this run: ${missed.join(', ')}\n`);
  }
  for (const reason of report.skipped) {
    process.stdout.write(`skipped: ${reason}\n`);
  }
  process.stdout.write(
    `seed ${report.seed}: ${report.kills} kills, ${report.inRecovery} of them during recovery, in ${report.episodes} episodes, ${report.transactions} transactions (${answers.committed} committed, ${answers['rolled-back']} rolled back, ${answers.unknown} unknown): ${violations.length} violations (${report.seconds.toFixed(0)} s)\n`,
  );
}

function summaryOf(report: ChaosReport): object {
  const { kills, transactions, violations, seed, answers, episodes, failpoints, seconds } = report;
  const numbers = { kills, transactions, violations: violations.length, seed };
  return { ...numbers, ...answers, episodes, failpoints: Object.fromEntries(failpoints), seconds: Math.round(seconds) };
}

try {
  // Not left to Node: with nothing to wait for any more, 24.21 once went round for ever in its own clean-up (Environment::CleanupHandles).
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof EngineUnavailableError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  // On a developer's machine an engine may be missing; what is to be proved in CI must not be left out there.
  process.exitCode = error instanceof EngineUnavailableError && process.env['CI'] === 'true' ? 1 : 2;
}
