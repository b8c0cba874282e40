// Other logs of Concordat at our databases: one that was there before ours means that ours may be the wrong one, and branches that one
// left prepared hold their locks without anybody who would end them (faults F40).

import type { PreflightFinding__Output as PreflightFinding } from '../../gen/concordat/v1/PreflightFinding.ts';
import type { ScannedBranch__Output as ScannedBranch } from '../../gen/concordat/v1/ScannedBranch.ts';
import type { Clock } from '../../lib/clock.ts';
import { FifoMap } from '../../lib/fifo-map.ts';
import type { Log } from '../../log/log.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { OTHER_LOG_NO_MORE_MS, REFUSED_NO_MORE_MS } from '../../xa/times.ts';
import { formatXid, gtridParts, type LogIdentity, parseGtrid, type ResourceName } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import type { Alarm } from './alarm.ts';
import type { LogAtEngine } from './known-logs.ts';

/** A coordinator that shares the database and is alive ends its branches sooner. */
const PREPARED_PATIENCE_MS = 10_000;
const TOLD_MAX = 5;
/** Refused resources that are remembered: their names are whatever somebody said. */
const REFUSED_MAX = 100;

interface OtherLogsParts {
  readonly log: Log;
  readonly directory: Directory;
  /** Logs that may have been at our databases before this one, as the operator has said; `any`: for trials and tests. */
  readonly beside: readonly string[];
  /** Monotonic milliseconds. */
  readonly clock: Clock;
}

export class OtherLogs {
  readonly #parts: OtherLogsParts;
  readonly #prepared = new Map<ResourceName, { readonly logs: readonly LogAtEngine[]; readonly heardAt: number }>();
  /** Logs that the database of a resource has served. */
  readonly #known = new Map<ResourceName, ReadonlySet<LogIdentity>>();
  readonly #refused = new FifoMap<ResourceName, { readonly error: CoordinatorError; readonly at: number }>(REFUSED_MAX);

  constructor(parts: OtherLogsParts) {
    this.#parts = parts;
  }

  /**
   * A database that this log has never served knows another log: this one may be new only because a volume is missing.
   * @throws {CoordinatorError} RESOURCE_KNOWS_OTHER_LOG
   */
  check(resource: ResourceName, logs: readonly LogAtEngine[]): void {
    const { log, directory, beside, clock } = this.#parts;
    const { identity } = log.recovered;
    const strangers = logs.filter((one) => one.identity !== identity && !beside.includes(one.identity));
    if (directory.isRegistered(resource) || strangers.length === 0 || beside.includes('any')) {
      this.#refused.delete(resource);
      return;
    }
    const names = strangers.slice(0, TOLD_MAX).map((one) => one.identity);
    const what = strangers.slice(0, TOLD_MAX).map(describe).join('; ');
    const error = new CoordinatorError(
      'RESOURCE_KNOWS_OTHER_LOG',
      `the database of ${resource} knows ${what}, and was never served by the log ${identity} that this coordinator runs on: its data directory may be the wrong one, or empty because a volume is missing. Next: start with the directory of that log; if it is lost, or the database is shared on purpose, start with --beside-logs ${names.join(',')}`,
    );
    this.#refused.set(resource, { error, at: clock.now() });
    throw error;
  }

  /** What a participant has told of all logs at its database, at its hello. */
  introduced(resource: ResourceName, logs: readonly LogAtEngine[]): void {
    this.#known.set(resource, new Set(logs.map(({ identity }) => identity)));
    this.heard(resource, logs);
  }

  /** What a participant has told of logs at its database. */
  heard(resource: ResourceName, logs: readonly LogAtEngine[]): void {
    const { log, clock } = this.#parts;
    const { identity } = log.recovered;
    const prepared = logs.filter((one) => one.identity !== identity && one.prepared > 0);
    if (prepared.length > 0) {
      this.#prepared.set(resource, { logs: prepared, heardAt: clock.now() });
    } else {
      this.#prepared.delete(resource);
    }
  }

  /** Findings of a scan: branches of other logs that the engine lists now. Those that are old are an alarm. */
  findings(resource: ResourceName, scanned: readonly ScannedBranch[]): readonly PreflightFinding[] {
    const { log, directory } = this.#parts;
    const engine = directory.get(resource)?.engine;
    const isWholeServer = engine === 'mysql' || engine === 'mariadb';
    const known = this.#known.get(resource);
    const left = new Map<LogIdentity, { readonly names: string[]; oldestMs: number }>();
    for (const { gtrid, bqual, ageMs } of scanned) {
      const parsed = parseGtrid(gtrid);
      const identity = parsed === undefined ? undefined : gtridParts(parsed).identity;
      // Where the engine lists those of all its databases, only logs that this one has served are its business.
      const isHere = identity !== undefined && (!isWholeServer || known?.has(identity) === true);
      if (identity === undefined || identity === log.recovered.identity || !isHere) {
        continue;
      }
      const entry = left.get(identity) ?? { names: [], oldestMs: this.#oldestMs(resource, identity) };
      left.set(identity, entry);
      entry.names.push(`${gtrid}:${bqual}`);
      entry.oldestMs = Math.max(entry.oldestMs, Number(ageMs));
    }
    return [...left].map(([identity, { names, oldestMs }]) => {
      const { message, fix } = leftAlarm(resource, identity, names, names.length);
      return { fatal: oldestMs >= PREPARED_PATIENCE_MS, check: 'other-log', message, fix: fix };
    });
  }

  #oldestMs(resource: ResourceName, identity: LogIdentity): number {
    return this.#prepared.get(resource)?.logs.find((one) => one.identity === identity)?.oldestMs ?? 0;
  }

  alarms(): readonly Alarm[] {
    const now = this.#parts.clock.now();
    const refused = [...this.#refused.values()].filter(({ at }) => now - at < REFUSED_NO_MORE_MS);
    const prepared = [...this.#prepared].filter(([, { heardAt }]) => now - heardAt < OTHER_LOG_NO_MORE_MS);
    return [
      ...refused.map(({ error }) => ({ code: error.code, message: error.message, fix: error.entry.advice })),
      ...prepared.flatMap(([resource, { logs }]) =>
        logs
          .filter(({ oldestMs }) => oldestMs >= PREPARED_PATIENCE_MS)
          .map((log) => leftAlarm(resource, log.identity, log.branches.map(formatXid), log.prepared)),
      ),
    ];
  }
}

/** Branches that are prepared at a database, and that no coordinator of ours will ever end. */
function leftAlarm(resource: ResourceName, identity: LogIdentity, branches: readonly string[], count: number): Alarm {
  const names = branches.slice(0, TOLD_MAX).join(', ');
  return {
    code: 'OTHER_LOG_BRANCHES',
    message: `${resource}: ${count} prepared ${count === 1 ? 'branch' : 'branches'} of another log of Concordat (${identity}): ${names}. They hold their locks, and this coordinator never ends them`,
    fix: `start the coordinator of the log ${identity}; if that log is lost, see "A log is lost" in docs/operations.md and end them by hand`,
  };
}

function describe({ identity, epoch, prepared }: LogAtEngine): string {
  const life = epoch > 0 ? `up to epoch ${epoch}` : 'of which it holds branches';
  return `the log ${identity} (${life}, ${prepared} prepared ${prepared === 1 ? 'branch' : 'branches'})`;
}
