// `concordat dev`: a whole Concordat on this machine, to try it and to see it recover.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isLoopback, parseAddress } from '../../lib/address.ts';
import { EXIT } from '../../xa/errors.ts';
import { CliError } from '../run/failure.ts';
import { onRun } from '../run/globals.ts';

interface DevCommandOptions {
  readonly once?: boolean;
  readonly directory?: string;
  readonly listen: string;
}

export function defineDev(dev: Command): void {
  dev
    .description(
      'Run databases, their sidecars and a coordinator on this machine, show on them what a transaction withstands, and leave them up to play with until Ctrl-C. Nothing needs to be installed or configured.',
    )
    .option('--once', 'show it and stop; exit 0 only if every check held')
    .option(
      '--directory <dir>',
      'where databases and log live, and stay (default: a temporary one, removed at the end)',
    )
    .addOption(
      new Option('--listen <host:port>', 'address of the coordinator; port 0: any free one')
        .default('127.0.0.1:7420')
        .argParser(loopbackAddress),
    )
    .addHelpText('after', '\nExample:\n  $ concordat dev --once\n');
  onRun<DevCommandOptions>(dev, async ({ console }, options) => {
    const { runDev } = await import('../../dev/dev.ts');
    const { PlaygroundError } = await import('../../dev/problem.ts');
    const stop = new AbortController();
    // The second one ends the process at once, and so does a reader of our output that goes away: guards clean up then.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => stop.abort());
    }
    const exitCode = await runDev({
      once: options.once === true,
      ...(options.directory !== undefined && { directory: options.directory }),
      listen: options.listen,
      colour: console.colored,
      width: console.layout.width,
      write: (text) => {
        process.stdout.write(text);
      },
      signal: stop.signal,
    }).catch((error: unknown) => {
      throw error instanceof PlaygroundError
        ? new CliError(
            { reason: 'PLAYGROUND', message: error.message, advice: error.advice, exit: EXIT.unavailable },
            error,
          )
        : error;
    });
    if (stop.signal.aborted) {
      process.exit(exitCode); // Something may still be being fetched.
    }
    return exitCode;
  });
}

function loopbackAddress(text: string): string {
  const address = parseAddress(text);
  if (typeof address === 'string') {
    throw new InvalidArgumentError(`It ${address}.`);
  }
  if (!isLoopback(address.host)) {
    throw new InvalidArgumentError('A playground listens on this machine only, like 127.0.0.1:7420.');
  }
  return text;
}
