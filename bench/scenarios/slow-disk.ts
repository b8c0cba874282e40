// The coordinator alone on a disk that takes its time: strace holds back the end of every sync of its log.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { missingStrace } from '../../proof/disk/strace.ts';
import { UsageError } from '../options.ts';
import type { Findings, Line, Scenario, Settings } from './scenario.ts';

const MAIN = fileURLToPath(new URL('../coordinator/main.ts', import.meta.url));
const SYNCS = 'fsync,fdatasync';

export const slowDisk: Scenario = {
  summary:
    '`bench:coordinator` on this disk, and on one whose every fsync takes longer. Needs strace; both runs are under it,\n  and it costs other calls nothing.',
  options: {
    'delay-ms': { fallback: '5', help: 'added to every fsync' },
    'in-flight': { fallback: '1,32,256', help: 'transactions at once' },
    seconds: { fallback: '4', help: 'for each' },
  },
  async run(settings, onProgress): Promise<Findings> {
    const missing = missingStrace();
    if (missing !== undefined) {
      throw new UsageError(missing);
    }
    const delayMs = settings.positive('delay-ms');
    const lines: Line[] = [];
    for (const delay of [0, delayMs]) {
      onProgress(`every fsync takes ${delay} ms longer`);
      lines.push(...(await measure(delay, settings)));
    }
    const slow = lines.filter((line) => line['added ms'] === delayMs);
    const hasWorked = slow.every((line) => Number(line['flush ms']) >= delayMs);
    return { lines, wrong: hasWorked ? [] : ['syncs were not delayed: nothing was measured'] };
  },
};

async function measure(delayMs: number, settings: Settings): Promise<Line[]> {
  const delay = delayMs === 0 ? [] : ['-e', `inject=${SYNCS}:delay_exit=${delayMs * 1_000}`];
  // `--seccomp-bpf`: no other system call stops for strace.
  const strace = ['-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', '-e', `trace=${SYNCS}`, ...delay];
  const bench = [
    '--in-flight',
    settings.numbers('in-flight').join(','),
    '--seconds',
    String(settings.positive('seconds')),
  ];
  const rows = JSON.parse(await lastLine('strace', [...strace, process.execPath, MAIN, ...bench, '--json']));
  return rows.map((row: Record<string, number | string>) => ({
    'added ms': delayMs,
    'in flight': Number(row['inFlight']),
    'commits/s': Number(row['tps']),
    'p50 ms': Number(row['p50Ms']),
    'p99 ms': Number(row['p99Ms']),
    'p99.9 ms': Number(row['p999Ms']),
    'forced writes each': Number(row['forcedWrites']),
    'flush ms': Number(row['flushMicros']) / 1_000,
    lane: String(row['flushLane']),
  }));
}

/** @throws {Error} it failed. */
async function lastLine(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  const code = await ended;
  if (code !== 0) {
    throw new Error(`${command} ended with ${code ?? 'a signal'}`);
  }
  return said.trimEnd().split('\n').at(-1) ?? '';
}
