// Recovery at start: what the log holds open enters through the driver's one door, and waits there for its participants.

import type { Logger } from '../../lib/logger.ts';
import type { Log } from '../../log/log.ts';
import type { LogRecord } from '../../log/record.ts';
import { withoutRow } from '../../xa/evidence.ts';
import { type Gtrid, gtridParts } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import { recovered } from '../engine/recovered.ts';
import type { Driver } from './driver.ts';

/** Records that contradict each other are left alone, so that the rest recovers (faults F91). */
export function recover(log: Log, driver: Driver, directory: Directory, logger: Logger): void {
  registerKnown(log, directory);
  const { unreadable } = driver.registry;
  const transactions = byTransaction(log.recovered.unfinished);
  for (const [gtrid, records] of transactions) {
    try {
      const isLost = gtridParts(gtrid).epoch <= (log.recovered.lostTo ?? -1);
      const step = recovered(gtrid, isLost ? records.map(withoutRows) : records);
      if (step !== undefined) {
        const transaction = driver.admit(gtrid, step.state, { effects: step.effects });
        transaction.operatorAction = records.some((record) => record.kind === 'operator-action');
      }
    } catch (error) {
      unreadable.add(gtrid);
      logger.error({ evt: 'record-quarantined', txn: gtrid, err: error });
    }
  }
  logger.info({ evt: 'recovered', transactions: transactions.size, quarantined: unreadable.size });
}

/** The resources that the log knows. */
export function registerKnown(log: Log, directory: Directory): void {
  const held = log.recovered.resources.filter(({ engineIdentity }) => engineIdentity !== '');
  for (const { resource, engine, engineIdentity } of held) {
    directory.register(resource, engine, engineIdentity);
  }
}

/**
 * A log that lacks its newest records may have accounted for these branches, and their evidence rows were deleted then: that one is not
 * there proves nothing (D6).
 */
function withoutRows(record: LogRecord): LogRecord {
  return record.kind === 'decided'
    ? {
        ...record,
        branches: record.branches.map((branch) => ({ ...branch, evidence: withoutRow(branch.evidence) })),
      }
    : record;
}

function byTransaction(records: readonly LogRecord[]): Map<Gtrid, LogRecord[]> {
  const result = new Map<Gtrid, LogRecord[]>();
  for (const record of records) {
    if (!('gtrid' in record)) {
      continue;
    }
    const list = result.get(record.gtrid) ?? [];
    result.set(record.gtrid, list);
    list.push(record);
  }
  return result;
}
