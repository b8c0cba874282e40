// Recovery at start: what the log holds open enters through the driver's one door, and waits there for its participants.

import type { EventLogger } from '../../lib/logger.ts';
import type { Log } from '../../log/log.ts';
import { isLetGo, type LogRecord } from '../../log/record.ts';
import type { Gtrid } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import { recovered } from '../engine/recovered.ts';
import type { Driver } from './driver.ts';
import { originIn } from './origin.ts';
import type { Registry } from './registry.ts';

interface RecoveryParts {
  readonly log: Log;
  readonly driver: Pick<Driver, 'admit'>;
  readonly transactions: Pick<Registry, 'noteUnreadable'>;
  readonly directory: Pick<Directory, 'register'>;
  readonly logger: EventLogger;
}

/** Records that contradict each other are left alone, so that the rest recovers (faults F91). */
export function recover({ log, driver, transactions, directory, logger }: RecoveryParts): void {
  registerKnown(log, directory);
  const found = byTransaction(log.recovered.unfinished);
  let unreadable = 0;
  for (const [gtrid, records] of found) {
    try {
      const step = recovered(gtrid, records, log.recovered.lostTo);
      if (step !== undefined) {
        const operatorAction = records.some((record) => record.kind === 'operator-action');
        driver.admit(gtrid, step.state, { effects: step.effects, origin: originIn(records), operatorAction });
      }
    } catch (error) {
      transactions.noteUnreadable(gtrid);
      unreadable += 1;
      logger.error({ evt: 'record-quarantined', txn: gtrid, err: error });
    }
  }
  logger.info({ evt: 'recovered', transactions: found.size, quarantined: unreadable });
}

/** The resources that the log knows. */
export function registerKnown(log: Log, directory: RecoveryParts['directory']): void {
  const held = log.recovered.resources.filter((record) => !isLetGo(record));
  for (const { resource, engine, engineIdentity } of held) {
    directory.register(resource, engine, engineIdentity);
  }
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
