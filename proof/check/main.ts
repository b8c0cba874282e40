// `npm run check`: the protocol in every state that it can reach.
import { UsageError } from '../disk/options.ts';
import { checkCommand } from './command.ts';

try {
  process.exitCode = checkCommand(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
