// A long run: whether memory grows, and whether anything stands still that the databases do not.
import { openBooks } from '../books.ts';
import { type Contestant, runWindow, type Window } from '../contestant.ts';
import { sidecars } from '../contestants/concordat.ts';
import { residentMib } from '../memory.ts';
import { openSite, PAIRS, type Site } from '../site.ts';
import { openProbe } from './probe.ts';
import type { Line, Scenario, Settings } from './scenario.ts';
import { nowMs, ownStalls, type Span, STALL_MS, Stalls, slopePerMinute } from './stalls.ts';

/** Ours. What a database keeps in memory is its own matter. */
const OURS = ['client', 'coordinator', 'sidecar 1', 'sidecar 2'] as const;
/** The part of the run in which caches fill and compilers work: memory may grow. */
const SETTLING = 0.25;

export const long: Scenario = {
  summary: `transfers through sidecars, statement by statement, for a long time: throughput, latency and resident memory
  every so often. A stall is more than ${STALL_MS} ms in which no transfer ended; it is the databases' own when an update of one row past
  Concordat took more than ${STALL_MS} ms in the meantime.`,
  options: {
    pair: { fallback: PAIRS[0], help: PAIRS.join(', ') },
    minutes: { fallback: '10', help: 'how long' },
    every: { fallback: '30', help: 'seconds between two rows' },
    clients: { fallback: '32', help: 'concurrent clients' },
  },
  async run(settings, onProgress) {
    await using site = await openSite(settings.oneOf('pair', PAIRS), { sidecars: 'each', onProgress });
    const audit = await openBooks(site.servers);
    const { lines, stalls, ofDatabases, failed } = await measure(site, settings, onProgress);
    const unfinished = await site.unfinished();
    const wrong = await audit();
    return {
      lines,
      notes: [...memoryNotes(lines), stallNote(stalls, ofDatabases)],
      wrong: [
        ...(wrong === undefined ? [] : [wrong]),
        ...(failed === 0 ? [] : [`${failed} transfers failed`]),
        ...(unfinished === 0 ? [] : [`${unfinished} decisions are not finished`]),
      ],
    };
  },
};

interface Measured {
  readonly lines: readonly Line[];
  readonly stalls: readonly Span[];
  readonly ofDatabases: readonly Span[];
  readonly failed: number;
}

async function measure(site: Site, settings: Settings, onProgress: (text: string) => void): Promise<Measured> {
  const [minutes, every, clients] = [
    settings.positive('minutes'),
    settings.positive('every'),
    settings.positive('clients'),
  ];
  await using stack = new AsyncDisposableStack();
  const probes = [stack.use(await openProbe(site.servers[0])), stack.use(await openProbe(site.servers[1]))];
  const stalls = new Stalls();
  const contestant = watched(sidecars(stack.use(await site.connect()), site.servers, false), stalls);
  const lines: Line[] = [];
  let failed = 0;
  const windows = Math.max(1, Math.round((minutes * 60) / every));
  for (let number = 1; number <= windows; number += 1) {
    const window = await runWindow(contestant, clients, every);
    stalls.pause();
    failed += window.failed;
    lines.push(lineOf(Math.round(number * every), window, site));
    onProgress(
      `${Math.round(number * every)} of ${Math.round(minutes * 60)} s: ${(window.committed / window.seconds).toFixed(0)}/s`,
    );
  }
  return { lines, stalls: stalls.spans, ofDatabases: probes.flatMap(({ spans }) => spans), failed };
}

/** The same, and every end is noted. */
function watched(contestant: Contestant, stalls: Stalls): Contestant {
  return {
    name: contestant.name,
    async transfer(from, to) {
      await contestant.transfer(from, to);
      stalls.ended(nowMs());
    },
  };
}

function lineOf(second: number, window: Window, site: Site): Line {
  const pids = site.processes();
  const { committed, seconds, p50Ms, p99Ms, p999Ms } = window;
  return {
    ...{ second, 'tx/s': committed / seconds, 'p50 ms': p50Ms, 'p99 ms': p99Ms, 'p99.9 ms': p999Ms },
    ...Object.fromEntries(OURS.map((name) => [mibOf(name), residentMib(pids.get(name) ?? 0)])),
  };
}

function memoryNotes(lines: readonly Line[]): string[] {
  const settled = lines.slice(Math.floor(lines.length * SETTLING));
  return OURS.map((name) => {
    const looks = settled.map((line) => ({ atMs: Number(line['second']) * 1_000, value: Number(line[mibOf(name)]) }));
    const slope = slopePerMinute(looks);
    return Number.isNaN(slope)
      ? `${name}: too short to tell whether its memory grows`
      : `${name}: ${slope < 0 ? '' : '+'}${slope.toFixed(2)} MiB a minute after the first quarter of the run`;
  });
}

function stallNote(stalls: readonly Span[], ofDatabases: readonly Span[]): string {
  const longest = (spans: readonly Span[]): string =>
    spans.length === 0
      ? 'none'
      : `${spans.length}, the longest ${Math.max(...spans.map(({ from, to }) => to - from)).toFixed(0)} ms`;
  const own = ownStalls(stalls, ofDatabases);
  return `Stalls: ${longest(stalls)}. Without the databases' own: ${longest(own)}. Updates past Concordat that took as long: ${longest(ofDatabases)}.`;
}

function mibOf(name: string): string {
  return `${name} MiB`;
}
