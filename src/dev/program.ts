// A program of Concordat as a child process: started, waited for by its log lines, frozen, killed, stopped.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../lib/system-clock.ts';
import { openGuard } from './engines/guard.ts';

const MAIN = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../cli/main.ts' : '../cli/main.js', import.meta.url),
);
/** Words kept of a child for the case that it ends unexpectedly. */
const LAST_LINES = 20;

/** The coordinator's drain has its own grace; beyond it the program hangs. */
const STOP_MS = 30_000;

interface ProgramOptions {
  /** Arguments of the `concordat` command. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another script than the `concordat` command. */
  readonly script?: string;
}

/** One line of a program's log: pino JSON with an event name. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly evt: string };

interface Waiting {
  readonly matches: (line: LogLine) => boolean;
  readonly resolve: (line: LogLine) => void;
  readonly reject: (error: Error) => void;
}

export class Program implements AsyncDisposable {
  readonly pid: number;
  /** The exit code, or null after a signal. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #lines: LogLine[] = [];
  readonly #words: string[] = [];
  #waiting: Waiting[] = [];
  #hasEnded = false;

  /** Starts `concordat <args>` under this process's Node; it does not outlive this process. */
  static start(options: ProgramOptions): Program {
    return new Program(options);
  }

  private constructor({ args, env = {}, script = MAIN }: ProgramOptions) {
    this.#name = `concordat ${args[0] ?? ''}`;
    const guard = openGuard();
    this.#child = spawn(process.execPath, [script, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      // A group of its own: Ctrl-C reaches us, and we stop our programs in order.
      detached: true,
    });
    this.pid = this.#child.pid ?? 0;
    if (this.#child.pid !== undefined) {
      guard.watch(this.#child.pid);
    }
    this.ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve(null));
      this.#child.once('exit', (code) => resolve(code));
    });
    void this.ended.then((code) => {
      this.#hasEnded = true;
      guard.release();
      const error = new Error(`${this.#name} ended (exit ${code ?? 'by a signal'}):\n${this.lastWords}`);
      for (const { reject } of this.#waiting.splice(0)) {
        reject(error);
      }
    });
    this.#child.stdin?.on('error', () => {
      // It has ended: whoever waits for it hears so.
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) {
        createInterface({ input: stream }).on('line', (text) => this.#line(text));
      }
    }
  }

  get isRunning(): boolean {
    return !this.#hasEnded;
  }

  /** What it printed last, for whoever has to find out why it did not do what it should. */
  get lastWords(): string {
    return this.#words.join('\n');
  }

  /** The first line with that event name, past or to come. @throws {Error} the program ended before it came. */
  event(evt: string, matches: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    const wanted = (line: LogLine): boolean => line.evt === evt && matches(line);
    const past = this.#lines.find(wanted);
    if (past !== undefined) {
      return Promise.resolve(past);
    }
    if (this.#hasEnded) {
      return Promise.reject(new Error(`${this.#name} ended before it said ${evt}:\n${this.lastWords}`));
    }
    return new Promise((resolve, reject) => this.#waiting.push({ matches: wanted, resolve, reject }));
  }

  /** A line for its standard input. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#hasEnded) {
      process.kill(this.pid, signal);
    }
  }

  /** As a crash would end it. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** In order, and by force if that takes too long. */
  async stop(): Promise<void> {
    this.signal('SIGCONT'); // A frozen program would never hear the request.
    this.signal('SIGTERM');
    const force = systemClock.after(STOP_MS, () => this.signal('SIGKILL'));
    await this.ended;
    force.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #line(text: string): void {
    this.#words.push(text);
    if (this.#words.length > LAST_LINES) {
      this.#words.shift();
    }
    const line = parseLine(text);
    if (line === undefined) {
      return;
    }
    this.#lines.push(line);
    for (const waiting of [...this.#waiting]) {
      if (waiting.matches(line)) {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        waiting.resolve(line);
      }
    }
  }
}

function parseLine(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'evt' in value ? (value as LogLine) : undefined;
  } catch {
    return undefined; // A sentence for people.
  }
}
