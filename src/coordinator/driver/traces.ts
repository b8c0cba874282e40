// What the log and the memory still tell of a transaction that is not held: the facts for engine/absent.ts, read when they are asked for.
import type { Log } from '../../log/log.ts';
import type { LoggedOutcome, LogRecord } from '../../log/record.ts';
import type { EvidenceRow } from '../../xa/evidence.ts';
import type { Outcome } from '../../xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../xa/xid.ts';
import { judgeRow, type LogFacts, type Traces } from '../engine/absent.ts';
import type { Committed } from '../engine/scope.ts';
import type { Registry } from './registry.ts';

export function logFacts({ recovered: { identity, epoch, lostTo } }: Log): LogFacts {
  return { identity, epoch, lostTo };
}

export class TracesOf implements Traces {
  readonly log: LogFacts;
  readonly #gtrid: Gtrid;
  readonly #log: Log;
  readonly #transactions: Registry;

  constructor(gtrid: Gtrid, log: Log, transactions: Registry) {
    this.log = logFacts(log);
    this.#gtrid = gtrid;
    this.#log = log;
    this.#transactions = transactions;
  }

  get logged(): LoggedOutcome {
    return this.#log.outcome(this.#gtrid);
  }

  get history(): readonly LogRecord[] {
    return this.#log.history(this.#gtrid);
  }

  get isUnreadable(): boolean {
    return this.#transactions.isUnreadable(this.#gtrid);
  }

  get remembered(): Outcome | undefined {
    return this.#transactions.outcome(this.#gtrid);
  }

  get provenBy(): Bqual | undefined {
    return this.#transactions.provenBy(this.#gtrid);
  }

  get committed(): Committed | undefined {
    return this.#transactions.committed(this.#gtrid);
  }

  get isComplete(): boolean {
    return this.#transactions.isComplete;
  }
}

/** Whether nothing will be asked of the row any more. If the row is all that proves a commit, that is noted. */
export function isAccountedFor(row: EvidenceRow, log: Log, transactions: Registry): boolean {
  const { gtrid, bqual } = row;
  const isLive = transactions.live(gtrid) !== undefined;
  const conclusion = judgeRow(row, isLive, new TracesOf(gtrid, log, transactions));
  if (conclusion === 'proves-commit') {
    transactions.noteProof(gtrid, bqual, 'committed');
  }
  return conclusion !== 'stays';
}
