// Runs a program under a given Node as if it were this process, and tells people what they have to mend.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One sentence on stderr and the end, for what the person at the keyboard has to mend. */
export class SetupError extends Error {}

/** Where Node keeps the sources without their types, compiled: programs that run from the source start in half the time. */
const COMPILED = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules', '.cache', 'compiled');

/**
 * Runs `node` with `args` in the checkout as if it were this process: same terminal, signals passed on, same exit code.
 * Resolves with the exit code when `keepGoing`, otherwise never returns. What has not ended after `withinMs` is told to, and counts as
 * failed.
 */
export async function runNode(node, args, { keepGoing = false, environment = {}, withinMs } = {}) {
  // First in the path, so that whatever is started below finds the same Node.
  const path = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`;
  const child = spawn(...withParentDeath(node, args), {
    stdio: 'inherit',
    env: { NODE_COMPILE_CACHE: COMPILED, ...process.env, PATH: path, ...environment },
  });
  const forward = (signal) => {
    // Ctrl-C at a terminal reaches the child by itself; a second copy would count as impatience.
    if (!(signal === 'SIGINT' && process.stdin.isTTY)) {
      child.kill(signal);
    }
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) {
    process.on(signal, forward);
  }
  const limit = withinMs === undefined ? undefined : endWithin(child, withinMs);
  const { code, signal } = await new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (exitCode, exitSignal) => done({ code: exitCode, signal: exitSignal }));
  });
  const isLate = limit?.cancel() ?? false;
  for (const name of signals) {
    process.off(name, forward);
  }
  if (keepGoing) {
    return isLate ? 1 : (code ?? 1);
  }
  if (signal !== null) {
    process.kill(process.pid, signal);
  }
  return process.exit(code ?? 1);
}

const KILLED_AFTER_MS = 10_000;

/** `cancel`, to be called when it has ended, returns whether it had to be told to. */
function endWithin(child, withinMs) {
  let isLate = false;
  const tell = setTimeout(() => {
    isLate = true;
    process.stderr.write(`not ended after ${Math.round(withinMs / 1_000)} s, so it is ended now\n`);
    child.kill('SIGTERM');
  }, withinMs);
  const force = setTimeout(() => child.kill('SIGKILL'), withinMs + KILLED_AFTER_MS);
  return {
    cancel() {
      clearTimeout(tell);
      clearTimeout(force);
      return isLate;
    },
  };
}

/** Where util-linux is, the child hears SIGTERM even if this process is killed by SIGKILL and cannot pass anything on. */
function withParentDeath(node, args) {
  const setpriv = '/usr/bin/setpriv';
  return process.platform === 'linux' && existsSync(setpriv)
    ? [setpriv, ['--pdeathsig', 'TERM', node, ...args]]
    : [node, args];
}

/** Of the system: it does not let us write there, or there is no room. */
const NOT_WRITABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR'];

/** Runs `main` and turns what people have to mend into its sentence and exit code 2. */
export async function orComplain(main) {
  try {
    await main();
  } catch (error) {
    const isRefused = NOT_WRITABLE.includes(error?.code) && error.path !== undefined;
    if (!(error instanceof SetupError) && !isRefused) {
      throw error;
    }
    const sentence = isRefused
      ? `Concordat cannot write to ${error.path} (${error.code}): make it writable, or set CONCORDAT_CACHE to a folder that is, for what is fetched.`
      : error.message;
    process.stderr.write(`${sentence}\n`);
    process.exitCode = 2;
  }
}
