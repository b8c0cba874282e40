// `npm run canaries`: bugs that are planted on purpose, and must be noticed.
import { UsageError } from '../disk/options.ts';
import { canariesCommand } from './command.ts';

try {
  process.exitCode = await canariesCommand(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
