// A program as somebody starts it at a terminal: its words in the order they came, Ctrl-C to all of its group.
import { spawn } from 'node:child_process';

export interface Started {
  readonly output: () => string;
  /** To every process of its group, as Ctrl-C at a terminal does it. */
  signal(signal: NodeJS.Signals): void;
  /** To it alone. */
  kill(): void;
  /** Nobody reads its output any more. */
  stopReading(): void;
  readonly ended: Promise<number | null>;
}

/** @param env over that of this process; what is undefined is taken away. */
export function start(file: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const lives = (): boolean => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    output: () => output,
    signal(signal) {
      if (child.pid !== undefined && lives()) {
        process.kill(-child.pid, signal);
      }
    },
    kill() {
      child.kill('SIGKILL');
    },
    stopReading() {
      child.stdout.destroy();
    },
    ended: new Promise((done) => child.once('exit', (code) => done(code))),
  };
}
