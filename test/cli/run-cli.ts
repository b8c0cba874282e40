// Runs the real command in a process of its own, without a terminal unless a test wants one.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** Far above what any command takes; a hanging one fails its test with the output so far. */
const PATIENCE_MS = 20_000;

export interface CliResult {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

export interface StartedCli {
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<CliResult>;
}

export interface CliOptions {
  /** Added to an environment without CONCORDAT_ variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to standard input, which then ends. Absent: standard input is closed from the start. */
  readonly stdin?: string;
  /** Standard input is written only when this was printed. */
  readonly typeAfter?: RegExp;
}

export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).ended;
}

/** The same, for tests that send it a signal. */
export function startCli(args: readonly string[], options: CliOptions = {}): StartedCli {
  return start(process.execPath, [MAIN, ...args], options);
}

/** The same with a pseudo-terminal for all three streams, whose output comes as one. Types `stdin` into it. */
export function runCliOnTerminal(
  args: readonly string[],
  options: CliOptions & { readonly stdin: string },
): Promise<CliResult> {
  const quoted = [process.execPath, MAIN, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  // `exec`: a plain sh would stay in between, and die itself of the Ctrl-C that is typed.
  return start('script', ['-qfec', `exec ${quoted}`, '/dev/null'], options).ended;
}

/** A copy of this process's environment in which no setting of Concordat leaks into a test. */
export function cleanEnvironment(added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(CONCORDAT_|COLUMNS$|NO_COLOR$|FORCE_COLOR$|NODE_OPTIONS$|TERM$)/.test(name),
  );
  return { ...Object.fromEntries(inherited), ...added };
}

function start(command: string, args: readonly string[], options: CliOptions): StartedCli {
  const started = performance.now();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: cleanEnvironment(options.env),
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let typed = options.typeAfter === undefined;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (!typed && options.typeAfter?.test(stdout) === true) {
      typed = true;
      child.stdin?.end(options.stdin);
    }
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (typed) {
    child.stdin?.end(options.stdin);
  }
  const ended = new Promise<CliResult>((resolve, reject) => {
    const patience = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${args.join(' ')} did not end\n${stdout}\n${stderr}`));
    }, PATIENCE_MS);
    child.once('error', reject);
    child.once('close', (exit) => {
      clearTimeout(patience);
      resolve({ exit, stdout, stderr, elapsedMs: performance.now() - started });
    });
  });
  return { kill: (signal) => void child.kill(signal), ended };
}
