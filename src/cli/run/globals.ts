// The options that every command takes, and what a command is given to run with.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseAddress } from '../../lib/address.ts';
import { OPERATOR_WAIT_MS } from '../../xa/times.ts';
import { type Console, type OutputFormat, openConsole } from '../show/console.ts';
import { parseDurationMs } from '../show/duration.ts';
import type { AdminClient } from './admin-client.ts';

interface Globals {
  readonly coordinator: string;
  readonly output: OutputFormat;
  readonly timeout: number;
  readonly color: boolean;
  readonly input: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const COORDINATOR_DEFAULT = 'localhost:7420';
const TIMEOUT_MAX_MS = 3_600_000;

export interface Context {
  readonly console: Console;
  readonly globals: Globals;
  /** Connects to the coordinator that the global options name; the code behind it loads only now. */
  openAdmin(): Promise<AdminClient>;
}

export function addGlobalOptions(program: Command): void {
  program
    .addOption(
      new Option('--coordinator <host:port>', 'the coordinator to ask')
        .env('CONCORDAT_COORDINATOR')
        .default(COORDINATOR_DEFAULT)
        .argParser(dialAddress),
    )
    .addOption(
      new Option('--output <format>', 'table for people, or json: one versioned document for programs')
        .env('CONCORDAT_OUTPUT')
        .default('table')
        .argParser(outputFormat),
    )
    .addOption(
      new Option('--timeout <ms>', 'longest wait for one answer, in milliseconds, or like 5s')
        .default(OPERATOR_WAIT_MS)
        .argParser(timeoutMs),
    )
    .option('--no-color', 'no colours; also NO_COLOR=1 and TERM=dumb')
    .option('--no-input', 'never ask, even at a terminal')
    .option('-q, --quiet', 'no messages except warnings and errors')
    .option('-v, --verbose', 'more to read when something fails');
}

/** A gRPC target. An empty environment variable is no variable. */
function dialAddress(text: string): string {
  const address = parseAddress(text === '' ? COORDINATOR_DEFAULT : text);
  if (typeof address === 'string') {
    throw new InvalidArgumentError(`It ${address}.`);
  }
  if (address.port === 0) {
    throw new InvalidArgumentError('Port 0 only makes sense for listening.');
  }
  return text === '' ? COORDINATOR_DEFAULT : text;
}

function outputFormat(text: string): OutputFormat {
  if (text === 'json') {
    return 'json';
  }
  if (text !== 'table' && text !== '') {
    throw new InvalidArgumentError('Allowed are table and json.');
  }
  return 'table';
}

function timeoutMs(text: string): number {
  const ms = /^\d{1,9}$/.test(text) ? Number(text) : parseDurationMs(text);
  if (ms === undefined || ms < 1 || ms > TIMEOUT_MAX_MS) {
    throw new InvalidArgumentError(`It must be milliseconds or a duration like 5s, from 1 ms to ${TIMEOUT_MAX_MS} ms.`);
  }
  return ms;
}

/** A duration for an option, in milliseconds. @throws {InvalidArgumentError} */
export function durationOption(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) {
    throw new InvalidArgumentError('It must be a duration like 90s, 15m, 1h or 1h30m, at most ten years.');
  }
  return ms;
}

/** A count for an option. @throws {InvalidArgumentError} */
export function countOption(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number from 1.');
  }
  return Number(text);
}

function openContext(globals: Globals): Context {
  const { quiet = false, verbose = false } = globals;
  const console = openConsole({ ...globals, quiet, verbose }, process, process.env);
  return {
    console,
    globals,
    async openAdmin() {
      const { openAdminClient } = await import('./admin-client.ts');
      const { watchInterrupt } = await import('./interrupt.ts');
      const interrupt = watchInterrupt(globals.output);
      return openAdminClient({ address: globals.coordinator, timeoutMs: globals.timeout, interrupt });
    },
  };
}

/** What a command does, and the exit code that it ends with. */
type Action<Options> = (context: Context, options: Options, args: readonly string[]) => Promise<number>;

/** Connects a command with its action. `Options` is what the command's own option parsers make. */
export function onRun<Options>(command: Command, action: Action<Options>): void {
  command.action(async () => {
    const context = openContext(command.optsWithGlobals<Globals>());
    process.exitCode = await action(context, command.opts() as Options, command.args);
  });
}
