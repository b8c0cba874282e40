// One database server as a child process: started, asked, frozen, killed, started again, stopped.
import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { systemClock } from '../../lib/system-clock.ts';
import { pause } from '../../lib/wait.ts';
import type { Account } from './account.ts';
import type { EngineName, EngineServer } from './engine-server.ts';
import { openGuard } from './guard.ts';
import { freePort, isFree } from './port.ts';
import { allGone, family, signalAll } from './process-tree.ts';
import { cleanEnvironment } from './run.ts';

/** How one engine is run; everything else about a server's life is the same for all. */
export interface EngineProgram {
  readonly engine: EngineName;
  readonly dataDirectory: string;
  readonly logFile: string;
  readonly account: Account | undefined;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** The signal of a clean and quick shutdown. */
  readonly stopSignal: NodeJS.Signals;
  command(port: number): readonly [file: string, ...args: string[]];
  /** Logs in and asks who answers. @throws whatever the driver throws while the server is not ready. */
  login(port: number): Promise<{ readonly version: string; readonly dataDirectory: string }>;
  /** Gives back what a crash leaves with the operating system outside of the data directory. */
  releaseAfterCrash(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Settles when the process has ended. */
  readonly ended: Promise<void>;
  hasEnded: boolean;
}

class PortTakenError extends Error {}

const PORT_TRIES_MAX = 10;
const POLL_MS = 10;
/** Crash recovery on a busy machine with a slow disk takes its time; a minute and a half is a server that hangs. */
const LOGIN_WITHIN_MS = 90_000;
/** A clean shutdown writes everything back first. After that it is killed, which is as safe, only slower to start from. */
const STOP_WITHIN_MS = 60_000;
const LOG_TAIL_CHARACTERS = 1_500;

/**
 * Starts `program` and resolves once a login worked.
 * @throws {Error} when the chosen `port` is taken, or with the end of the server's log when the server does not come up.
 */
export async function openServer(program: EngineProgram, port: number | undefined): Promise<EngineServer> {
  for (let tries = 1; ; tries += 1) {
    const server = new ServerProcess(program, port ?? (await freePort()));
    try {
      await server.start();
      return server;
    } catch (error) {
      // Somebody may take a free port between our look and the server's bind. Only our own choice can be fixed.
      if (port !== undefined || !(error instanceof PortTakenError) || tries === PORT_TRIES_MAX) {
        throw error;
      }
    }
  }
}

class ServerProcess implements EngineServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #program: EngineProgram;
  #version = '';
  #running: Running | undefined;
  #crashed = false;

  constructor(program: EngineProgram, port: number) {
    this.#program = program;
    this.port = port;
  }

  get engine(): EngineName {
    return this.#program.engine;
  }
  get version(): string {
    return this.#version;
  }
  get user(): string {
    return this.#program.user;
  }
  get password(): string {
    return this.#program.password;
  }
  get database(): string {
    return this.#program.database;
  }
  get logFile(): string {
    return this.#program.logFile;
  }
  get url(): string {
    const scheme = this.engine === 'postgresql' ? 'postgresql' : 'mysql';
    return `${scheme}://${this.user}:${this.password}@${this.host}:${this.port}/${this.database}`;
  }
  get pid(): number | undefined {
    return this.#running?.hasEnded === false ? this.#running.pid : undefined;
  }

  async start(): Promise<void> {
    if (this.pid !== undefined) {
      return;
    }
    if (!(await isFree(this.port))) {
      throw new PortTakenError(this.#portTaken());
    }
    const running = await this.#spawn();
    this.#running = running;
    try {
      await this.#awaitLogin(running);
    } catch (error) {
      if (!running.hasEnded) {
        await this.kill('SIGKILL');
      }
      throw error;
    }
    this.#crashed = false;
  }

  async kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const running = this.#running;
    if (running === undefined || running.hasEnded) {
      throw new Error(`${this.engine} on port ${this.port} does not run, so it cannot get ${signal}`);
    }
    if (signal !== 'SIGCONT') {
      // Frozen first, the main process cannot start a child that we would miss.
      process.kill(running.pid, 'SIGSTOP');
    }
    const processes = await family(running.pid);
    await signalAll(processes, signal);
    if (signal === 'SIGKILL') {
      this.#crashed = true;
      await running.ended;
      await allGone(processes);
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running !== undefined && !running.hasEnded) {
      const processes = await family(running.pid);
      // A frozen server would never hear the request.
      await signalAll(processes, 'SIGCONT');
      running.child.kill(this.#program.stopSignal);
      const end = systemClock.now() + STOP_WITHIN_MS;
      while (!running.hasEnded && systemClock.now() < end) {
        await pause(systemClock, POLL_MS);
      }
      if (!running.hasEnded) {
        await this.kill('SIGKILL');
      }
      await running.ended;
      await allGone(processes);
    }
    if (this.#crashed) {
      this.#crashed = false;
      await this.#program.releaseAfterCrash();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #spawn(): Promise<Running> {
    const [file, ...args] = this.#program.command(this.port);
    const { account, dataDirectory, logFile } = this.#program;
    await using log = await open(logFile, 'a');
    const guard = openGuard();
    const child = spawn(file, args, {
      stdio: ['ignore', log.fd, log.fd],
      env: cleanEnvironment(),
      cwd: dataDirectory,
      // A group of its own: Ctrl-C at a terminal reaches us, and we stop the server in order.
      detached: true,
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    const running: Running = { child, pid: child.pid ?? 0, ended, hasEnded: false };
    void ended.then(() => {
      running.hasEnded = true;
      guard.release();
    });
    if (child.pid !== undefined) {
      guard.watch(child.pid);
    }
    return running;
  }

  async #awaitLogin(running: Running): Promise<void> {
    let refusal: unknown;
    const end = systemClock.now() + LOGIN_WITHIN_MS;
    while (systemClock.now() < end) {
      if (running.hasEnded) {
        const words = await this.#lastWords();
        if (/address already in use/i.test(words)) {
          throw new PortTakenError(this.#portTaken());
        }
        throw new Error(`${this.engine} ended while starting; the end of ${this.logFile}:\n${words}`);
      }
      try {
        const answer = await this.#program.login(this.port);
        // A copy of this server has the same password: make sure that the one that answers is this one.
        if (answer.dataDirectory === this.#program.dataDirectory) {
          this.#version = answer.version;
          return;
        }
      } catch (error) {
        refusal = error;
      }
      await pause(systemClock, POLL_MS);
    }
    throw new Error(`${this.engine} does not accept logins; see ${this.logFile}`, { cause: refusal });
  }

  #portTaken(): string {
    return `${this.engine} cannot listen on 127.0.0.1:${this.port}: another process does. Choose another port or end that process.`;
  }

  async #lastWords(): Promise<string> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    return text.slice(-LOG_TAIL_CHARACTERS).trim();
  }
}
