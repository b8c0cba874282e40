// A log with a past, written by the log's own code, for a coordinator that is then started on it.

import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { type Opening, rowEvidence } from '../../src/xa/evidence.ts';
import { type Bqual, formatGtrid, type Gtrid, parseBqual } from '../../src/xa/xid.ts';
import { eventually } from './eventually.ts';

/** Of each flush. Slices of compaction take turns with flushes and move more than that: the journal stays short, as in steady use. */
const TRANSACTIONS_AT_ONCE = 500;
/** The history is moved out of the journal in the background; a coordinator that ran all the time would have done so, too. */
const SETTLED_MS = 300_000;

export interface Past {
  readonly transactions: number;
  /** Otherwise their decisions wait for their branches to be told. */
  readonly finished: boolean;
  readonly resources: readonly string[];
  /** Outcomes that the log keeps. */
  readonly outcomesMax: number;
}

/** @returns the ids of the transactions. */
export async function writePast(
  directory: string,
  past: Past,
  onProgress: (text: string) => void,
): Promise<readonly Gtrid[]> {
  const { transactions, finished, resources, outcomesMax } = past;
  await using log = await openSqliteLog({
    ...{ directory, clock: systemClock, random: systemRandom, version: 'bench' },
    options: { outcomesRetainedMax: outcomesMax },
  });
  const { identity, epoch } = log.recovered;
  const branches = resources.map((text) => ({
    bqual: bqualOf(text),
    evidence: rowEvidence('benchbenchbe' as string as Opening),
  }));
  const all: Gtrid[] = [];
  let told = performance.now();
  while (all.length < transactions) {
    const count = Math.min(TRANSACTIONS_AT_ONCE, transactions - all.length);
    const gtrids = Array.from({ length: count }, (_, n) => formatGtrid({ identity, epoch, sequence: all.length + n }));
    all.push(...gtrids);
    await log.append(
      gtrids.flatMap((gtrid): LogRecord[] => [
        { kind: 'decided', gtrid, branches, requestId: gtrid },
        ...(finished ? [{ kind: 'finished', gtrid } as const] : []),
      ]),
      'forced',
    );
    if (performance.now() - told > 2_000) {
      told = performance.now();
      onProgress(`writing the past: ${all.length} of ${transactions} transactions`);
    }
  }
  if (finished) {
    // Retention has done what it will do when nothing more than it allows, and a few segments, is left.
    const settled = 2 * (Math.min(transactions, outcomesMax) + 10 * TRANSACTIONS_AT_ONCE);
    await eventually(async () => log.status().records <= settled, SETTLED_MS);
  }
  return all;
}

function bqualOf(text: string): Bqual {
  const bqual = parseBqual(text);
  if (bqual === undefined) {
    throw new Error(`${text} does not name a branch`);
  }
  return bqual;
}
