// Records for tests of the log, with ids of the log at hand.

import type { Log } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { NO_EVIDENCE, type Opening, rowEvidence } from '../../src/xa/evidence.ts';
import type { Bqual, Gtrid, ResourceName } from '../../src/xa/xid.ts';
import { formatBqual, formatGtrid, parseResourceName } from '../../src/xa/xid.ts';

export function resourceName(text: string): ResourceName {
  const name = parseResourceName(text);
  if (name === undefined) {
    throw new Error(`not a resource name: ${text}`);
  }
  return name;
}

export const ACCOUNTS: Bqual = formatBqual(resourceName('accounts'));
export const ORDERS: Bqual = formatBqual(resourceName('orders'));

/** The id of the n-th transaction of this life of `log`, or of another epoch. */
export function gtridOf(log: Log, sequence: number, epoch = log.recovered.epoch): Gtrid {
  return formatGtrid({ identity: log.recovered.identity, epoch, sequence });
}

export function decided(gtrid: Gtrid, requestId = ''): Extract<LogRecord, { kind: 'decided' }> {
  return {
    kind: 'decided',
    gtrid,
    branches: [
      { bqual: ACCOUNTS, evidence: rowEvidence('abcdefghijkl' as string as Opening) },
      { bqual: ORDERS, evidence: NO_EVIDENCE },
    ],
    requestId,
  };
}

export function finished(gtrid: Gtrid): LogRecord {
  return { kind: 'finished', gtrid };
}

export function heuristic(gtrid: Gtrid): LogRecord {
  return {
    kind: 'heuristic',
    gtrid,
    decision: 'commit',
    damage: [{ bqual: ORDERS, kind: 'rolled-back', proof: 'no marker row' }],
  };
}

export function operatorAction(gtrid: Gtrid, action: 'forget' | 'rollback' | 'branch-committed'): LogRecord {
  const common = {
    kind: 'operator-action',
    gtrid,
    action,
    operator: 'ada',
    reason: 'looked at both databases',
    requestId: 'r-1',
    wallTime: 1_700_000_000_000,
  } as const;
  return action === 'branch-committed' ? { ...common, bqual: ACCOUNTS } : common;
}

export function registered(name: string, engineIdentity: string): Extract<LogRecord, { kind: 'resource-registered' }> {
  return { kind: 'resource-registered', resource: resourceName(name), engine: 'postgresql', engineIdentity };
}

/** Decides and finishes transactions `from` to `to`, many at once, and waits until all of it is durable. */
export async function complete(log: Log, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  await Promise.all(numbers.map((number) => log.append([decided(gtridOf(log, number))], 'forced')));
  await log.append(
    numbers.map((number) => finished(gtridOf(log, number))),
    'forced',
  );
}
