// The command tree: global options, one entry for each command, help texts, and what happens to an error.
import { Command, CommanderError } from 'commander';
import { productVersion } from '../wire/version.ts';
import { EXIT } from '../xa/errors.ts';
import { COMMANDS } from './command-table.ts';
import { nearest } from './config/suggest.ts';
import { EXIT_MEANINGS } from './run/exit-codes.ts';
import { renderFailure, toFailure, usageError } from './run/failure.ts';
import { addGlobalOptions } from './run/globals.ts';
import type { OutputFormat } from './show/console.ts';

const EXAMPLES = `
Examples:
  $ concordat dev                                  try it on this machine
  $ concordat status                               is all well?
  $ concordat tx list --older-than 1m              what is stuck
  $ concordat tx explain <id>                      why, and what happens next
  $ concordat doctor --output json                 the same for a program`;

function exitCodeHelp(): string {
  const rows = EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(2)}  ${meaning}`);
  return `\nExit codes:\n${rows.join('\n')}\n`;
}

/** @param output how errors are told: help that stands for one is no JSON, and is not printed where that is wanted. */
function createProgram(output: OutputFormat = 'table'): Command {
  const program = new Command('concordat')
    .description(
      'Two-phase commit over PostgreSQL, MySQL and MariaDB: the coordinator, its sidecars and its operators.',
    )
    .version(productVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', () => `${EXAMPLES}\n${exitCodeHelp()}`)
    .exitOverride()
    // Messages of the parser reach the person through `fail`, once and escaped.
    .configureOutput({
      outputError: () => undefined,
      ...(output === 'json' ? { writeErr: () => undefined } : {}),
    });
  addGlobalOptions(program);
  program.helpCommand(false);
  for (const entry of COMMANDS) {
    program.command(entry.name).description(entry.summary).helpGroup(entry.group);
  }
  program.hook('preSubcommand', async (_, command) => {
    const entry = COMMANDS.find((candidate) => candidate.name === command.name());
    if (entry !== undefined) {
      (await entry.load())(command);
    }
  });
  return program;
}

/** Runs one command line to its end. Never rejects: an error becomes a message and an exit code. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  try {
    await createProgram(outputOf(args)).parseAsync(await helpArguments(args), { from: 'user' });
  } catch (error) {
    process.exitCode = fail(error, args);
  }
}

/**
 * `concordat help tx list` is `concordat tx list --help`: the named command loads first, then its help is whole.
 * @throws {CliError} USAGE: there is no such command.
 */
async function helpArguments(args: readonly string[]): Promise<readonly string[]> {
  if (args[0] !== 'help') {
    return args;
  }
  let known: readonly string[] = COMMANDS.map(({ name }) => name);
  const words = args.slice(1).filter((word) => !word.startsWith('-'));
  for (const [index, word] of words.entries()) {
    if (!known.includes(word)) {
      const near = nearest(word, known);
      throw usageError(
        `there is no command ${JSON.stringify(words.slice(0, index + 1).join(' '))}${near === undefined ? '' : ` (did you mean ${near}?)`}`,
        'concordat --help lists the commands.',
      );
    }
    const command = new Command(word);
    if (index === 0) {
      (await COMMANDS.find(({ name }) => name === word)?.load())?.(command);
    }
    known = command.commands.map((each) => each.name());
  }
  return [...args.slice(1), '--help'];
}

function fail(error: unknown, args: readonly string[]): number {
  const output = outputOf(args);
  let failure = toFailure(error);
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) {
      return EXIT.ok;
    }
    const isMissing = error.code === 'commander.help';
    if (isMissing && output === 'table') {
      // The help of a command that needs a subcommand was printed, to standard error.
      return EXIT.usage;
    }
    const message = isMissing ? 'a command is missing' : error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    failure = toFailure(usageError(message));
  }
  const stack = args.includes('-v') || args.includes('--verbose') ? stackOf(error) : [];
  process.stderr.write(renderFailure(failure, output, stack));
  return failure.exit;
}

/** The stack and its causes, line by line. */
function stackOf(error: unknown): readonly string[] {
  const lines: string[] = [];
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    lines.push(...(cause.stack ?? String(cause)).split('\n'));
  }
  return lines;
}

/** The wanted format, read without the parser: it may be the parser that failed. */
function outputOf(args: readonly string[]): OutputFormat {
  const flag = args.findLastIndex((arg) => arg === '--output' || arg.startsWith('--output='));
  const told = args[flag] === '--output' ? args[flag + 1] : args[flag]?.slice('--output='.length);
  return (told ?? process.env['CONCORDAT_OUTPUT']) === 'json' ? 'json' : 'table';
}
