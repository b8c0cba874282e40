// The options of every command that changes something.
import type { Command } from 'commander';

/** `ActionOptions` of operator-action.ts, which is loaded only when such a command runs. */
export function addConfirmationOptions(command: Command): Command {
  return command
    .requiredOption('--reason <text>', 'why: 10 to 1,000 printable characters, kept in the log')
    .option('--yes', 'do not ask; for scripts')
    .option('--dry-run', 'show the effects and change nothing')
    .option(
      '--request-id <id>',
      'repeat a call whose answer was lost: the same id is acted on once (default: a new one)',
    );
}
