// `npm run bench:coordinator`: the coordinator without databases and network: its real sessions, driver and log with real syncs; clients
// and participants answer at once from memory. What is left is what the coordinator itself costs, in one process.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openCore } from '../../src/coordinator/core.ts';
import type { EventLogger } from '../../src/lib/logger.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { quantile } from '../report.ts';
import { insideClient, insideParticipant } from './inside.ts';
import { load } from './load.ts';
import { attachParticipant } from './participants.ts';
import { wrongAfter } from './wrong.ts';

const HELP = `npm run bench:coordinator -- [options]

Commits per second of the coordinator alone: real sessions, driver and log with real syncs, everything else from memory, one process.

  --in-flight N,N  transactions at once, default 1,16,256
  --branches N,N   branches of each, default 2
  --seconds N      for each, default 5
  --json           end with one line of JSON: [{"branches","inFlight","tps","p50Ms","p99Ms","p999Ms","cpuUs","forcedWrites",...}]
  --help`;

const silent = (): void => undefined;
const QUIET: EventLogger = {
  ...{ debug: silent, info: silent, warn: silent },
  error: console.error,
  fatal: console.error,
};

const { values } = parseArgs({
  options: {
    'in-flight': { type: 'string', default: '1,16,256' },
    branches: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  const rows = [];
  console.log('branches  in flight  commits/s  p50 ms  p99 ms  p99.9  CPU µs  forced writes each  flush µs  lane');
  for (const branches of values.branches.split(',').map(Number)) {
    for (const inFlight of values['in-flight'].split(',').map(Number)) {
      const row = await measure(branches, inFlight, Number(values.seconds));
      rows.push(row);
      console.log(
        `${String(branches).padStart(8)} ${String(inFlight).padStart(10)} ${row.tps.toFixed(0).padStart(10)} ${row.p50Ms.toFixed(2).padStart(7)} ${row.p99Ms.toFixed(2).padStart(7)} ${row.p999Ms.toFixed(1).padStart(6)} ${row.cpuUs.toFixed(0).padStart(7)} ${row.forcedWrites.toFixed(3).padStart(19)} ${row.flushMicros.toFixed(0).padStart(9)}  ${row.flushLane}`,
      );
    }
  }
  if (values.json) {
    console.log(JSON.stringify(rows));
  }
}

async function measure(branches: number, inFlight: number, seconds: number) {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'concordat-bench-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const [clock, random] = [systemClock, systemRandom];
  const log = stack.use(await openSqliteLog({ directory, clock, random, version: 'bench' }));
  const settings = { defaultTimeoutMs: 30_000, openTransactionsMax: 10_000, outcomesMax: 100_000 };
  const core = openCore({ log, clock, random, logger: QUIET, ...settings });
  stack.defer(() => core.driver.close());
  const resources = Array.from({ length: branches }, (_, n) => `resource-${n}`);
  const dialParticipant = insideParticipant(core.participants);
  const participants = await Promise.all(resources.map((resource) => attachParticipant(dialParticipant, { resource })));
  for (const participant of participants) {
    stack.defer(() => participant.hangUp());
  }
  const dial = insideClient(core.sessions);
  const warmUp = await load(dial, { resources, inFlight, seconds: 1 });
  const [cpu, started, forced] = [process.cpuUsage(), performance.now(), log.status().forcedWrites];
  const latencies = await load(dial, { resources, inFlight, seconds });
  const elapsed = (performance.now() - started) / 1_000;
  const used = process.cpuUsage(cpu);
  const status = log.status();
  const left = { status: async () => ({ unfinishedDecisions: core.transactions.liveCount }) };
  const wrong = await wrongAfter(left, participants, warmUp.length + latencies.length);
  if (wrong.length > 0) {
    throw new Error(`WRONG: ${wrong.join('; ')}`);
  }
  return {
    ...{ branches, inFlight, tps: latencies.length / elapsed },
    ...{ p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99), p999Ms: quantile(latencies, 0.999) },
    cpuUs: (used.user + used.system) / latencies.length,
    forcedWrites: (status.forcedWrites - forced) / latencies.length,
    ...{ flushMicros: status.flushMicros, flushLane: status.flushLane },
  };
}
