// `concordat dev`: a whole Concordat on this machine, to try it and to see it recover.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isLoopback, parseAddress } from '../../lib/address.ts';
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
    const stop = new AbortController();
    const onSignal = (): void => stop.abort();
    process.once('SIGINT', onSignal);
    process.once('SIGTERM', onSignal);
    return runDev({
      once: options.once === true,
      ...(options.directory !== undefined && { directory: options.directory }),
      listen: options.listen,
      colour: console.colored,
      write: (text) => {
        process.stdout.write(text);
      },
      signal: stop.signal,
    });
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
