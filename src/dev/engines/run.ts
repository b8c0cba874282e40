// Short-lived commands: run to the end, hand back what they printed, or fail with what they complained about.
import { spawn } from 'node:child_process';

interface CommandOptions {
  /** Whom to run as; absent: as ourselves. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  readonly cwd?: string;
  /** Absent: `cleanEnvironment`. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** The environment of every server and tool: no PGPORT, MYSQL_HOST or locale of the caller may leak into it. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no|ftp)_proxy$/i.test(name));
  return { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...Object.fromEntries(proxies) };
}

const COMPLAINT_CHARACTERS_MAX = 2_000;

/**
 * Runs `file` and resolves with its standard output once it ended with exit code 0.
 * @throws {Error} with the command's last words, when it cannot start or ends otherwise.
 */
export function run(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: options.environment ?? cleanEnvironment(),
      cwd: options.cwd ?? '/',
      ...(options.account === undefined ? {} : { uid: options.account.uid, gid: options.account.gid }),
    });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-COMPLAINT_CHARACTERS_MAX);
    });
    child.stdin.on('error', () => {
      // A command that ends before it has read everything says why by its exit code.
    });
    child.stdin.end(options.input ?? '');
    child.on('error', (cause) => reject(new Error(`${file} could not be run: ${cause.message}`, { cause })));
    child.on('close', (code, signal) => {
      if (code === 0) {
        resolve(output);
      } else {
        const words = (complaint.trim() || output.trim()).slice(-COMPLAINT_CHARACTERS_MAX);
        reject(new Error(`${file} ended with ${signal ?? `exit code ${code}`}: ${words}`));
      }
    });
  });
}
