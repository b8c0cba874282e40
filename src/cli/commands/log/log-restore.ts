// `concordat log restore`: puts a backup in place, and says what a person must know of a log that is not the newest.
import { restoreSqliteLog } from '../../../log/sqlite/backup/restore.ts';
import { EXIT } from '../../../xa/errors.ts';
import type { Context } from '../../run/globals.ts';
import { formatBytes } from '../../show/duration.ts';
import { printable } from '../../show/escape.ts';
import { renderFields } from '../../show/table.ts';
import type { VerifyOptions } from './log-verify.ts';

/** @throws {CoordinatorError} as `restoreSqliteLog`: nothing was changed. */
export async function restoreLog({ console }: Context, from: string, { dataDir }: VerifyOptions): Promise<number> {
  const found = await restoreSqliteLog(from, dataDir);
  const { path, identity, epoch, lastSequence, unfinished, bytes } = found;
  const lacks = lackOf(epoch, lastSequence);
  console.document('log-restore', {
    ...{ from, path, identity: identity ?? null, epoch, lastSequence, unfinished, bytes, lacks },
  });
  console.print(
    renderFields(
      [
        ['Restored', path],
        ['Log', `${identity ?? ''}, epoch ${epoch}`],
        ['Last record', `number ${lastSequence}`],
        ['Unfinished', `${unfinished} records`],
        ['Size', formatBytes(bytes)],
      ],
      console.layout,
    ),
  );
  console.print(`\nA restored log is an old log:\n${lacks.map((line) => `  - ${printable(line)}\n`).join('')}`);
  return EXIT.ok;
}

function lackOf(epoch: number, lastSequence: number): readonly string[] {
  return [
    `every decision after record ${lastSequence} of epoch ${epoch} is missing here, though clients may have been told of those commits; operators' acts and accepted databases since then are missing, too`,
    'nothing is presumed of what it does not know: a transaction of that time is "unknown" or "expired", never "rolled back"',
    'is the newest log really lost? It counts before any backup: look for the disk, the volume that was not mounted, the machine that took over',
    'start the coordinator and all sidecars. A database that has served a newer life refuses this log (EPOCH_STALE, status ends with 9): nothing is decided by it then',
    "then: concordat log adopt --dry-run shows what it lacks, as far as the databases know; concordat log adopt --reason '…' takes it for the log; concordat tx resolve settles what was kept",
  ];
}
