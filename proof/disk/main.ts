// `npm run crash-states` and `npm run disk-faults`: the proofs that the log keeps what it acknowledged when the power is cut, or a
// system call fails.
import { join } from 'node:path';
import { crashStatesCommand } from './crash-states-command.ts';
import { diskFaultsCommand } from './disk-faults-command.ts';
import { UsageError } from './options.ts';
import { missingStrace } from './strace.ts';

const COMMANDS: Readonly<Record<string, (args: readonly string[], keep: string) => Promise<number>>> = {
  'crash-states': crashStatesCommand,
  'disk-faults': diskFaultsCommand,
};

const [name = '', ...args] = process.argv.slice(2);
const command = COMMANDS[name];
const missing = args.includes('--help') ? undefined : missingStrace();
if (command === undefined) {
  process.stderr.write(`node proof/disk/main.ts ${Object.keys(COMMANDS).join('|')} --help\n`);
  process.exitCode = 2;
} else if (missing !== undefined) {
  process.stderr.write(`${missing}\n`);
  // On a developer's machine a tool may be missing; what is to be proved in CI must not be left out there.
  process.exitCode = process.env['CI'] === 'true' ? 1 : 2;
} else {
  try {
    process.exitCode = await command(args, join(import.meta.dirname, '..', '..', '.concordat'));
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
