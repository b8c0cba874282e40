// `npm run bench`: Concordat against two-phase commit by hand, interleaved in rounds of one run, so that ratios hold although
// the machine is shared. Prints a table; `--json` ends with one line of JSON.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from '../src/dev/cluster.ts';
import { startMariadb, startPostgres } from '../src/dev/engines/index.ts';
import { openBooks } from './books.ts';
import { runWindow, type Window } from './contestant.ts';
import { openInteractive } from './interactive.ts';
import { openRaw } from './raw.ts';

const HELP = `npm run bench -- [options]

Transfers between PostgreSQL and MariaDB: Concordat (interactive, through sidecars) against two-phase commit by hand, in turns.

  --clients N,N   concurrent clients, default 8,32,64
  --rounds N      paired rounds for each, default 5
  --seconds N     length of one window, default 4
  --json          end with one line of JSON: [{"pair","clients","form","tps","p50Ms","p99Ms","vsRaw","rounds"}]
  --help`;

interface Row {
  readonly pair: string;
  readonly clients: number;
  readonly form: string;
  readonly tps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly vsRaw: number;
  readonly rounds: number;
}

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '8,32,64' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  process.exitCode = await bench(values.clients.split(',').map(Number), Number(values.rounds), Number(values.seconds));
}

async function bench(clientCounts: readonly number[], rounds: number, seconds: number): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'concordat-bench-'));
  const progress = (text: string): void => console.error(text);
  const accounts = await startPostgres({
    version: 18,
    directory: join(directory, 'accounts'),
    settings: { max_connections: '300', max_prepared_transactions: '200' },
    onProgress: progress,
  });
  const orders = await startMariadb({
    directory: join(directory, 'orders'),
    settings: { 'max-connections': '300' },
    onProgress: progress,
  });
  const cluster = new Cluster({ directory, listen: '127.0.0.1:0', databases: { accounts, orders, note: undefined } });
  try {
    const audit = await openBooks(accounts, orders);
    await cluster.startCoordinator();
    await cluster.startSidecars();
    const rows: Row[] = [];
    let failed = 0;
    {
      await using raw = await openRaw(accounts, orders, Math.max(...clientCounts));
      await using interactive = await openInteractive(cluster.address);
      for (const contestant of [raw, interactive]) {
        await runWindow(contestant, Math.max(...clientCounts), Math.min(3, seconds)); // Warm-up.
      }
      for (const clients of clientCounts) {
        const pairs: { raw: Window; ours: Window }[] = [];
        for (let round = 0; round < rounds; round += 1) {
          const first = round % 2 === 0 ? raw : interactive;
          const second = first === raw ? interactive : raw;
          const a = await runWindow(first, clients, seconds);
          const b = await runWindow(second, clients, seconds);
          pairs.push(first === raw ? { raw: a, ours: b } : { raw: b, ours: a });
          failed += a.failed + b.failed;
          progress(`${clients} clients, round ${round + 1} of ${rounds}: ${ratio(pairs.at(-1)).toFixed(2)} of raw`);
        }
        const vsRaw = median(pairs.map(ratio));
        rows.push(
          summary(
            'raw',
            clients,
            pairs.map((pair) => pair.raw),
            1,
          ),
        );
        rows.push(
          summary(
            'interactive',
            clients,
            pairs.map((pair) => pair.ours),
            vsRaw,
          ),
        );
      }
    }
    print(rows);
    const wrong = await audit();
    console.log(wrong === undefined ? 'The books balance; no branch is left prepared.' : `WRONG: ${wrong}`);
    if (failed > 0) {
      console.log(`${failed} transfers failed.`);
    }
    if (values.json) {
      console.log(JSON.stringify(rows));
    }
    return wrong === undefined && failed === 0 ? 0 : 1;
  } finally {
    await cluster.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

function summary(form: string, clients: number, windows: readonly Window[], vsRaw: number): Row {
  return {
    pair: 'postgresql+mariadb',
    clients,
    form,
    tps: round(median(windows.map(tps)), 1),
    p50Ms: round(median(windows.map((window) => percentile(window, 0.5))), 3),
    p99Ms: round(median(windows.map((window) => percentile(window, 0.99))), 3),
    vsRaw: round(vsRaw, 3),
    rounds: windows.length,
  };
}

function print(rows: readonly Row[]): void {
  console.log('clients  form           tx/s     p50 ms    p99 ms   vs raw');
  for (const row of rows) {
    console.log(
      `${String(row.clients).padStart(7)}  ${row.form.padEnd(12)} ${row.tps.toFixed(0).padStart(6)} ${row.p50Ms.toFixed(2).padStart(10)} ${row.p99Ms.toFixed(2).padStart(9)} ${row.vsRaw.toFixed(2).padStart(8)}`,
    );
  }
}

function ratio(pair: { readonly raw: Window; readonly ours: Window } | undefined): number {
  return pair === undefined ? 0 : tps(pair.ours) / tps(pair.raw);
}

function tps(window: Window): number {
  return window.committed / window.seconds;
}

function percentile({ latencies }: Window, share: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
