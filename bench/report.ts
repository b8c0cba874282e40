// What a contest comes to: medians over the rounds, ratios paired within a round, and their spread.
import { type Measured, perSecond, type Round } from './contest.ts';
import type { Counts } from './counting/count.ts';
import { columns } from './table.ts';

export interface Row {
  readonly pair: string;
  readonly clients: number;
  readonly form: string;
  /** Transfers per second. */
  readonly tps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number | null;
  /** Median of the rounds' ratios to the hand-written two-phase commit. */
  readonly vsRaw: number | null;
  /** Quartiles of the same. */
  readonly vsRawSpread: readonly [number, number] | null;
  readonly vsPeer: number | null;
  readonly rounds: number;
  /** Microseconds of CPU for each transfer, by process. */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** Of decisions, for each transfer; shared by those that commit at the same time. */
  readonly forcedWrites: number | null;
  /** With the databases, for each transfer; null: not counted. */
  readonly roundTrips: number | null;
  /** Between client, coordinator and participants, for each transfer; null: not counted. */
  readonly messages: number | null;
}

export function toRows(pair: string, clients: number, forms: readonly string[], rounds: readonly Round[]): Row[] {
  return forms.map((form) => {
    const windows = rounds.flatMap((round) => round.get(form) ?? []);
    const vsRaw = ratios(rounds, form, 'raw');
    const vsPeer = ratios(rounds, form, 'peer');
    return {
      pair,
      clients,
      form,
      tps: rounded(median(windows.map(perSecond)), 1),
      p50Ms: rounded(median(windows.map(({ p50Ms }) => p50Ms)), 3),
      p99Ms: rounded(median(windows.map(({ p99Ms }) => p99Ms)), 3),
      p999Ms: orNull(median(windows.map(({ p999Ms }) => p999Ms))),
      vsRaw: orNull(median(vsRaw)),
      vsRawSpread: vsRaw.length === 0 ? null : [rounded(quantile(vsRaw, 0.25), 3), rounded(quantile(vsRaw, 0.75), 3)],
      vsPeer: orNull(median(vsPeer)),
      rounds: windows.length,
      cpuUs: cpuOf(windows),
      // What the peer writes nobody counts.
      ...{ roundTrips: null, messages: null },
      forcedWrites: form === 'peer' ? null : orNull(median(windows.map(({ forcedWrites }) => forcedWrites))),
    };
  });
}

/** The same rows with what was counted beside the contest. */
export function counted(rows: readonly Row[], counts: ReadonlyMap<string, Counts>): Row[] {
  return rows.map((row) => {
    const of = counts.get(row.form);
    return of === undefined
      ? row
      : { ...row, roundTrips: rounded(of.roundTrips, 2), messages: rounded(of.messages, 2) };
  });
}

export function table(rows: readonly Row[]): string {
  const processes = [...new Set(rows.flatMap(({ cpuUs }) => Object.keys(cpuUs)))];
  const withPeer = rows.some(({ vsPeer }) => vsPeer !== null);
  const head = [
    'clients',
    'form',
    'tx/s',
    'p50 ms',
    'p99 ms',
    'p99.9',
    'vs raw',
    'quartiles',
    'forced',
    'trips',
    'messages',
  ];
  const lines = [
    [...head, ...(withPeer ? ['vs peer'] : []), ...processes.map((name) => `${name} µs`)],
    ...rows.map((row) => [
      String(row.clients),
      row.form,
      row.tps.toFixed(0),
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      row.p999Ms?.toFixed(1) ?? '',
      row.vsRaw?.toFixed(2) ?? '',
      row.vsRawSpread === null ? '' : row.vsRawSpread.map((value) => value.toFixed(2)).join('–'),
      row.forcedWrites?.toFixed(3) ?? '',
      row.roundTrips?.toFixed(1) ?? '',
      row.messages?.toFixed(1) ?? '',
      ...(withPeer ? [row.vsPeer?.toFixed(2) ?? ''] : []),
      ...processes.map((name) => row.cpuUs[name]?.toFixed(0) ?? ''),
    ]),
  ];
  return columns(lines, [1]);
}

function ratios(rounds: readonly Round[], form: string, base: string): number[] {
  return rounds.flatMap((round) => {
    const [ours, theirs] = [round.get(form), round.get(base)];
    return ours === undefined || theirs === undefined ? [] : perSecond(ours) / perSecond(theirs);
  });
}

function cpuOf(windows: readonly Measured[]): Record<string, number> {
  const names = [...new Set(windows.flatMap(({ cpuUs }) => [...cpuUs.keys()]))];
  return Object.fromEntries(
    names.map((name) => [name, rounded(median(windows.map(({ cpuUs }) => cpuUs.get(name) ?? 0)), 0)]),
  );
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Between two values it lies in proportion; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const low = sorted[Math.floor(position)] ?? Number.NaN;
  const high = sorted[Math.ceil(position)] ?? Number.NaN;
  return low + (high - low) * (position - Math.floor(position));
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : rounded(value, 3);
}
