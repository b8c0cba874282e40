// A program of the system under test as a child process: everything that it says goes to a file, and it dies with this process.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { openGuard } from '../../src/dev/engines/guard.ts';

export interface ChildOptions {
  readonly script: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Its words are appended here. */
  readonly words: string;
  /** Hears the name of each event. */
  readonly onEvent: (evt: string) => void;
}

/** An event in its log lines; of one resource, where `resource` is given. */
export interface Saying {
  readonly evt: string;
  readonly resource?: string | undefined;
}

export interface Ended {
  /** The exit code, or null after a signal. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const LAST_WORDS = 5;

/** Waits for events in the log lines, once each: nothing else of what a program says is looked at. */
export class Child {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #lastWords: string[] = [];
  readonly #said = new Set<string>();
  readonly #onEvent: (evt: string) => void;
  readonly #onSaid = new Map<string, () => void>();
  #end: Ended | undefined;

  /** Starts `node <script> <args>` under this process's Node. */
  static start(options: ChildOptions): Child {
    return new Child(options);
  }

  private constructor({ script, args, env, words, onEvent }: ChildOptions) {
    this.#onEvent = onEvent;
    const guard = openGuard();
    this.#child = spawn(process.execPath, [script, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      // A group of its own: Ctrl-C reaches us, and we end our programs ourselves.
      detached: true,
    });
    this.pid = this.#child.pid ?? 0;
    guard.watch(this.pid);
    const file = createWriteStream(words, { flags: 'a', mode: 0o600 });
    file.write(`--- pid ${this.pid}, ${new Date().toISOString()}: ${args.join(' ')} ${JSON.stringify(env)}\n`);
    this.ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve({ code: null, signal: null }));
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    void this.ended.then((end) => {
      this.#end = end;
      guard.release();
      file.end(`--- pid ${this.pid} ended: ${end.signal ?? end.code}\n`);
    });
    this.#child.stdin?.on('error', () => {
      // It has ended: whoever waits for it hears so.
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) {
        createInterface({ input: stream }).on('line', (line) => this.#hear(line, file));
      }
    }
  }

  get isRunning(): boolean {
    return this.#end === undefined;
  }

  get lastWords(): string {
    return this.#lastWords.join('\n');
  }

  /** Resolves with true when it has said it, past or to come; with false when it ended first. */
  async says(saying: Saying): Promise<boolean> {
    const key = keyOf(saying);
    if (this.#said.has(key)) {
      return true;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#onSaid.set(key, () => resolve(true));
    void this.ended.then(() => resolve(false));
    return promise;
  }

  /** Forgets that it has said it, so that the next time counts. */
  forget(saying: Saying): void {
    this.#said.delete(keyOf(saying));
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Harmless when it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) {
      this.#child.kill(signal);
    }
  }

  /** Whether somebody, maybe itself, has stopped it with SIGSTOP. */
  get isStopped(): boolean {
    try {
      return this.isRunning && /^State:\s+T/m.test(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    } catch {
      return false; // Gone since.
    }
  }

  #hear(line: string, file: WriteStream): void {
    if (!file.writableEnded) {
      file.write(`${line}\n`);
    }
    this.#lastWords.push(line);
    if (this.#lastWords.length > LAST_WORDS) {
      this.#lastWords.shift();
    }
    const evt = /"evt":"([a-z-]+)"/.exec(line)?.[1];
    if (evt === undefined) {
      return;
    }
    const resource = /"resource":"([a-z0-9-]+)"/.exec(line)?.[1];
    for (const key of new Set([keyOf({ evt }), keyOf({ evt, resource })])) {
      this.#said.add(key);
      this.#onSaid.get(key)?.();
    }
    this.#onEvent(evt);
  }
}

function keyOf({ evt, resource = '' }: Saying): string {
  return `${evt} ${resource}`;
}
