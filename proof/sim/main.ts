// `npm run sim`: the whole system on simulated time, network, disks and engines; everything follows from one seed.
import { availableParallelism } from 'node:os';
import { readOptions, UsageError } from '../disk/options.ts';
import { showProgress } from '../disk/progress.ts';
import { runFleet, type Totals } from './fleet.ts';
import { simulate } from './simulate.ts';
import { Trace } from './trace.ts';

const SEEDS = 10_000;
const TRANSACTIONS = 100;
const FINDINGS = 20;

const HELP = `npm run sim -- [options]

Simulates the coordinator, its log, participants, engines and clients, and everything that can happen to them: crashes, pauses, broken
and cut networks, failing and slow disks, lost calls, hands and operators. Each seed draws which of these exist, how often they
come, and the shape of the system. Judges outside read the engines' rows, the log's records and what clients were told; when the
faults stop, everything must end in time and nothing may be left. docs/simulator.md tells more.

  --seed N          this one simulation, with everything that happens in it on stdout
  --seeds N         how many, default ${SEEDS}
  --from N          the first seed, default: drawn
  --minutes N       as many as there is time for
  --transactions N  in each simulation, default ${TRANSACTIONS}
  --threads N       default: one for each core
  --findings N      ends after so many, default ${FINDINGS}
  --json            end with one line of JSON: {"transactions","seeds","violations", …}
  --help

Exit code 1: something was violated. Each finding comes with the command that shows it again.`;

const KINDS = {
  seed: 'number',
  seeds: 'number',
  from: 'number',
  minutes: 'number',
  transactions: 'number',
  threads: 'number',
  findings: 'number',
  json: 'flag',
  help: 'flag',
} as const;

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

/** @returns the exit code. @throws {UsageError} */
async function run(args: readonly string[]): Promise<number> {
  const given = readOptions(args, KINDS);
  if (given.help === true) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const transactions = Number(given.transactions ?? TRANSACTIONS);
  const threads = Number(given.threads ?? availableParallelism());
  const findingsMax = Number(given.findings ?? FINDINGS);
  if (transactions < 1 || threads < 1 || findingsMax < 1) {
    throw new UsageError('--transactions, --threads and --findings are at least 1');
  }
  if (given.seed !== undefined) {
    return replay(Number(given.seed), transactions);
  }
  const from = Number(given.from ?? Math.floor(Math.random() * 900_000_000));
  const minutes = Number(given.minutes ?? Number.POSITIVE_INFINITY);
  const seeds = Number(given.seeds ?? (given.minutes === undefined ? SEEDS : Number.POSITIVE_INFINITY));
  const begun = performance.now();
  using progress = showProgress();
  let said = '';
  progress.say(() => said);
  const totals = await runFleet({
    ...{ from, seeds, transactions, threads, findingsMax, endsAt: begun + minutes * 60_000 },
    onProgress: (now) => {
      said = `${now.seeds} seeds from ${from}, ${now.transactions} transactions, ${now.findings.length} findings`;
    },
  });
  const seconds = (performance.now() - begun) / 1_000;
  print(totals, { from, transactions, seconds });
  if (given.json === true) {
    const { findings, ...numbers } = totals;
    process.stdout.write(`${JSON.stringify({ ...numbers, violations: findings.length, from, seconds })}\n`);
  }
  return totals.findings.length === 0 ? 0 : 1;
}

function print(
  totals: Totals,
  run: { readonly from: number; readonly transactions: number; readonly seconds: number },
): void {
  for (const { seed, what, details, options } of totals.findings) {
    process.stdout.write(
      `seed ${seed} violates ${what}: ${details}\n  ${options}\n  ${command(seed, run.transactions)}\n`,
    );
  }
  const { seeds, transactions, committed, events, repeated, healedMs, simulatedMs, findings } = totals;
  const rate = Math.round(transactions / run.seconds);
  process.stdout.write(
    `${seeds} seeds from ${run.from}: ${transactions} transactions, ${committed} told as committed, ${events} events in ${hours(simulatedMs)} simulated hours; at rest at the latest ${(healedMs / 1_000).toFixed(1)} s after the faults; ${repeated} seeds run twice; ${findings.length} violations (${run.seconds.toFixed(0)} s, ${rate}/s)\n`,
  );
}

function hours(ms: number): string {
  return (ms / 3_600_000).toFixed(1);
}

function command(seed: number, transactions: number): string {
  return `npm run sim -- --seed ${seed}${transactions === TRANSACTIONS ? '' : ` --transactions ${transactions}`}`;
}

async function replay(seed: number, transactions: number): Promise<number> {
  const lines: string[] = [];
  const flush = (): void => void process.stdout.write(lines.splice(0).join(''));
  const trace = new Trace({
    hash: true,
    print: (line) => {
      lines.push(`${line}\n`);
      if (lines.length > 1_000) {
        flush();
      }
    },
  });
  const { violations, digest } = await simulate({ seed, transactions, trace });
  lines.push(`${violations.length} violations, trace ${digest}\n`);
  flush();
  return violations.length === 0 ? 0 : 1;
}
