// How an error meets a person or a program: a stable reason, a plain sentence, the next step, an exit code.
import { CATALOGUE, CoordinatorError, EXIT } from '../../xa/errors.ts';
import { JSON_VERSION, type OutputFormat } from '../show/console.ts';
import { printable, printableJson } from '../show/escape.ts';
import { type ExitCode, exitOf } from './exit-codes.ts';

interface CommandFailure {
  /** From the error catalogue, or one of the command line's own: USAGE, CONFIRMATION_MISSING, NOT_AUTHENTICATED, PLAYGROUND. */
  readonly reason: string;
  readonly message: string;
  /** Further lines that belong to the message, for instance every wrong setting. */
  readonly details: readonly string[];
  /** The next step. */
  readonly advice: string;
  readonly exit: ExitCode;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An error that only the command line knows, or that it can advise on better than the catalogue. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly failure: CommandFailure;

  constructor(
    failure: Omit<CommandFailure, 'details' | 'metadata'> & Partial<Pick<CommandFailure, 'details' | 'metadata'>>,
    cause?: unknown,
  ) {
    super(failure.message, cause === undefined ? undefined : { cause });
    this.failure = { details: [], metadata: {}, ...failure };
  }
}

/** A command that was typed wrongly: exit 2. */
export function usageError(message: string, advice = 'Add --help to the command to see what it takes.'): CliError {
  return new CliError({ reason: 'USAGE', message, advice, exit: EXIT.usage });
}

/** Settings that cannot be used: exit 2. */
export function configError(message: string, details: readonly string[] = []): CliError {
  const advice = 'Fix the setting; `concordat config show --origin` tells where each value comes from.';
  return new CliError({ reason: 'CONFIG_INVALID', message, details, advice, exit: EXIT.usage });
}

export function toFailure(error: unknown): CommandFailure {
  if (error instanceof CliError) {
    return error.failure;
  }
  if (error instanceof CoordinatorError) {
    const { code, message, metadata } = error;
    return { reason: code, message, details: [], advice: CATALOGUE[code].advice, exit: exitOf(code), metadata };
  }
  return {
    reason: 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    details: [],
    advice: 'A bug. Run the command again with -v and report what it prints.',
    exit: EXIT.unexpected,
    metadata: {},
  };
}

/**
 * What goes to standard error, with the final newline: as JSON one document on one line, whatever belongs to it.
 * @param stack for who reports a bug; not printed where it is empty.
 */
export function renderFailure(failure: CommandFailure, output: OutputFormat, stack: readonly string[] = []): string {
  if (output === 'json') {
    const { exit, ...rest } = failure;
    return `${printableJson({ version: JSON_VERSION, kind: 'error', ...rest, exitCode: exit, ...(stack.length === 0 ? {} : { stack }) }, 0)}\n`;
  }
  const lines = [
    `Error ${printable(failure.reason)}: ${printable(failure.message)}`,
    ...failure.details.map((line) => `  - ${printable(line)}`),
    `Next: ${printable(failure.advice)}`,
    ...stack.map(printable),
  ];
  return `${lines.join('\n')}\n`;
}
