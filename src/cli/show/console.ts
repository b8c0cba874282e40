// Where words go: data to standard output, messages to standard error, each for a person or for a program.
import { printable, printableJson } from './escape.ts';
import { ansi, type Paint, plain } from './paint.ts';
import type { Layout } from './table.ts';

export type OutputFormat = 'table' | 'json';

/** The version of every JSON document of the command line. It rises when a field changes its meaning or goes. */
export const JSON_VERSION = 1;

interface ConsoleOptions {
  readonly output: OutputFormat;
  readonly color: boolean;
  /** False: never ask, as if there were no terminal. */
  readonly input: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

export interface Console {
  readonly output: OutputFormat;
  readonly verbose: boolean;
  /** A person can be asked: there is a terminal on both sides of a question. */
  readonly interactive: boolean;
  /** A person reads the standard output. */
  readonly terminal: boolean;
  readonly layout: Layout;
  /** The standard output may have colours. */
  readonly colored: boolean;
  /** The two marks of a check list. */
  readonly marks: { readonly good: string; readonly bad: string; readonly warning: string };
  /** Data for a person; the caller has made it printable. Nothing when the output is JSON. */
  print(text: string): void;
  /** Data for a program: one versioned document. Nothing when the output is a table. */
  document(kind: string, body: object): void;
  /** A message that may be missed: hidden by `--quiet` and when the output is JSON. */
  note(text: string): void;
  /** A message that should not be missed. */
  warn(text: string): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Streams {
  readonly stdin: { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

export function openConsole(options: ConsoleOptions, streams: Streams, env: Environment): Console {
  const terminal = streams.stdout.isTTY === true;
  const dumb = env['TERM'] === 'dumb';
  const colored = terminal && !dumb && options.color && (env['NO_COLOR'] ?? '') === '';
  const paint: Paint = colored ? ansi : plain;
  const json = options.output === 'json';
  return {
    output: options.output,
    verbose: options.verbose,
    interactive: options.input && streams.stdin.isTTY === true && streams.stderr.isTTY === true,
    terminal,
    layout: { width: widthOf(streams.stdout, env), paint },
    colored,
    marks: dumb
      ? { good: 'ok  ', bad: 'FAIL', warning: 'warn' }
      : { good: paint('good', '✓'), bad: paint('bad', '✗'), warning: paint('warning', '!') },
    print(text) {
      if (!json) {
        streams.stdout.write(text);
      }
    },
    document(kind, body) {
      if (json) {
        streams.stdout.write(`${printableJson({ version: JSON_VERSION, kind, ...body }, 2)}\n`);
      }
    },
    note(text) {
      if (!json && !options.quiet) {
        streams.stderr.write(`${printable(text)}\n`);
      }
    },
    warn(text) {
      streams.stderr.write(
        json
          ? `${printableJson({ version: JSON_VERSION, kind: 'warning', message: text }, 0)}\n`
          : `Warning: ${printable(text)}\n`,
      );
    },
  };
}

/** A terminal that reports no width, and anything that is no terminal, is as wide as the text. `COLUMNS` overrides. */
function widthOf(stdout: OutputStream, env: Environment): number {
  const told = Number(env['COLUMNS'] ?? '');
  if (Number.isInteger(told) && told > 0) {
    return told;
  }
  const columns = stdout.isTTY === true ? (stdout.columns ?? 0) : 0;
  return columns > 0 ? columns : Number.POSITIVE_INFINITY;
}
