// `concordat drain`: the coordinator takes nothing new, and ends when what is open has ended.
import { type Command, Option } from 'commander';
import { systemClock } from '../../lib/system-clock.ts';
import { pause } from '../../lib/wait.ts';
import { EXIT } from '../../xa/errors.ts';
import type { AdminClient } from '../run/admin-client.ts';
import { CliError } from '../run/failure.ts';
import { type Context, onRun } from '../run/globals.ts';

interface DrainOptions {
  /** False: come back as soon as the coordinator has begun. */
  readonly wait: boolean;
}

const LOOK_EVERY_MS = 250;

export function defineDrain(drain: Command): void {
  drain
    .description(
      'Let the coordinator drain, as SIGTERM does: it takes no new transactions, waits for the open ones (at most its drainGraceMs) and ends with 0. What is left then is recovered by the next start. Waits for the end.',
    )
    // Its options are added when the command is named, too late for the default that a negated option gives itself.
    .addOption(new Option('--no-wait', 'come back as soon as it drains').default(true))
    .addHelpText('after', '\nExample:\n  $ concordat drain --coordinator db3:7420\n');
  onRun<DrainOptions>(drain, (context, { wait }) => drainCoordinator(context, wait));
}

async function drainCoordinator(context: Context, wait: boolean): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const { epoch } = await admin.call('GetLogStatus', {});
  const { inFlight } = await admin.call('Drain', {});
  console.note(`${admin.address} takes no new transactions; ${inFlight} are open.`);
  if (wait) {
    await untilOver(admin, epoch);
  }
  console.document('drain', { coordinator: admin.address, open: inFlight, ended: wait });
  console.print(wait ? `${console.marks.good} ${admin.address} has ended\n` : '');
  return EXIT.ok;
}

/** Until nobody answers at its address, or another life of it does: a service manager may have started it again. */
async function untilOver(admin: AdminClient, epoch: string): Promise<void> {
  for (;;) {
    await pause(systemClock, LOOK_EVERY_MS);
    try {
      if ((await admin.call('GetLogStatus', {})).epoch !== epoch) {
        return;
      }
    } catch (error) {
      if (error instanceof CliError && error.failure.reason === 'CONNECTION_LOST') {
        return;
      }
      throw error;
    }
  }
}
