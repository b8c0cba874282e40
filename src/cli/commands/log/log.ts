// `concordat log`: the coordinator's log, live and from its files.
import type { Command } from 'commander';
import { EXIT } from '../../../xa/errors.ts';
import { usageError } from '../../run/failure.ts';
import { type Context, onRun } from '../../run/globals.ts';
import { formatBytes } from '../../show/duration.ts';
import { logFields, viewLog } from '../../show/log-view.ts';
import { renderFields } from '../../show/table.ts';
import type { AdoptOptions } from './log-adopt.ts';
import type { VerifyOptions } from './log-verify.ts';

export function defineLog(log: Command): void {
  log.description("Show the coordinator's log, check it, copy it, put a copy in place, or accept an old one.");
  const status = log
    .command('status')
    .summary('size, room and flush time of the live log')
    .description('Show the log of a running coordinator.')
    .addHelpText('after', '\nExample:\n  $ concordat log status\n');
  onRun<object>(status, (context) => showLog(context));

  const verify = log
    .command('verify')
    .summary('check the files of a log, without a coordinator')
    .description(
      'Check the files of a log record by record: identity, chain, high-water mark. Changes nothing. Exit 9 when they are damaged or no log of Concordat, 11 while a coordinator runs on them.',
    )
    .requiredOption('--data-dir <dir>', 'the data directory')
    .addHelpText('after', '\nExample:\n  $ concordat log verify --data-dir /var/lib/concordat\n');
  onRun<VerifyOptions>(verify, async (context, options) => {
    const { verifyLog } = await import('./log-verify.ts');
    return verifyLog(context, options);
  });

  const restore = log
    .command('restore')
    .summary('put a backup in the place of a log that is lost')
    .description(
      'Verify a backup and copy it into a data directory that has no log, with the coordinator stopped. Replaces nothing: what is there has to be moved aside first. Says what a restored log lacks. Run it as the account of the coordinator, or as root.',
    )
    .argument('<backup>', 'the directory that `concordat log backup` has made')
    .requiredOption('--data-dir <dir>', 'the data directory')
    .addHelpText('after', '\nExample:\n  $ concordat log restore /backups/2026-11-20 --data-dir /var/lib/concordat\n');
  onRun<VerifyOptions>(restore, async (context, options, [from = '']) => {
    const { restoreLog } = await import('./log-restore.ts');
    return restoreLog(context, from, options);
  });

  const adopt = log
    .command('adopt')
    .summary('accept an old copy as the log, with a list of what it lacks')
    .description(
      'Accept a copy of the log that the databases refuse (EPOCH_STALE), because the newest log is lost. First shows what the copy lacks, as far as the participants know, and asks for the last six characters of the identity. Nothing is presumed about what it lacks: you settle each prepared branch with `concordat tx resolve`. The coordinator stops then; start it again. Without a terminal and without --yes: exit 10.',
    )
    .option('--reason <text>', 'why: 10 to 1,000 printable characters, kept in the log')
    .option('--incomplete', 'even if databases of the log have not said what they know, because they are gone')
    .option('--yes', 'do not ask; for scripts')
    .option('--dry-run', 'show what the copy lacks and change nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ concordat log adopt --dry-run
  $ concordat log adopt --reason "disk of db3 lost, backup of 02:00, INC-1234"
`,
    );
  onRun<AdoptOptions>(adopt, async (context, options) => {
    const { adoptLog } = await import('./log-adopt.ts');
    return adoptLog(context, options);
  });

  const backup = log
    .command('backup')
    .summary('copy the live log into a new directory, verified')
    .description(
      'Let the running coordinator copy its log into a new directory within its backup directory (setting backupDir), and verify the copy. Prints where it is. `concordat log verify --data-dir` checks it again at any time, `concordat log restore` puts it in place.',
    )
    .argument('<name>', 'a plain name that does not exist there yet')
    .addHelpText('after', '\nExample:\n  $ concordat log backup 2026-11-20\n');
  onRun<object>(backup, (context, _, [name = '']) => backUpLog(context, name));
}

async function showLog(context: Context): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const log = viewLog(await admin.call('GetLogStatus', {}));
  console.document('log-status', { log });
  console.print(renderFields(logFields(log), console.layout));
  return EXIT.ok;
}

async function backUpLog(context: Context, name: string): Promise<number> {
  const { console } = context;
  if (/[/\\]/.test(name)) {
    throw usageError(
      `The backup is made in the backup directory of the coordinator: ${name} is a path, and only a name is taken.`,
      'Give a plain name; `backupDir` of the coordinator says where it goes.',
    );
  }
  using admin = await context.openAdmin();
  const answer = await admin.call('BackupLog', { path: name });
  const backup = { path: answer.path, bytes: Number(answer.bytes), lastSequence: Number(answer.lastSequence) };
  console.document('log-backup', { backup });
  console.print(
    renderFields(
      [
        ['Backup', backup.path],
        ['Size', formatBytes(backup.bytes)],
        ['Last record', `number ${backup.lastSequence}`],
      ],
      console.layout,
    ),
  );
  console.note(
    'Keep the whole directory, on another disk. To check it: concordat log verify --data-dir <directory>; to put it in place: concordat log restore.',
  );
  return EXIT.ok;
}
