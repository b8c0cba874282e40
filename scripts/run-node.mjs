// Runs a program under a given Node as if it were this process, and tells people what they have to mend.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';

/** One sentence on stderr and the end, for what the person at the keyboard has to mend. */
export class SetupError extends Error {}

/**
 * Runs `node` with `args` in the checkout as if it were this process: same terminal, signals passed on, same exit code.
 * Resolves with the exit code when `keepGoing`, otherwise never returns.
 */
export async function runNode(node, args, { keepGoing = false, environment = {} } = {}) {
  // First in the path, so that whatever is started below finds the same Node.
  const path = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`;
  const child = spawn(...withParentDeath(node, args), {
    stdio: 'inherit',
    env: { ...process.env, PATH: path, ...environment },
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
  const { code, signal } = await new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (exitCode, exitSignal) => done({ code: exitCode, signal: exitSignal }));
  });
  for (const name of signals) {
    process.off(name, forward);
  }
  if (keepGoing) {
    return code ?? 1;
  }
  if (signal !== null) {
    process.kill(process.pid, signal);
  }
  return process.exit(code ?? 1);
}

/** Where util-linux is, the child hears SIGTERM even if this process is killed by SIGKILL and cannot pass anything on. */
function withParentDeath(node, args) {
  const setpriv = '/usr/bin/setpriv';
  return process.platform === 'linux' && existsSync(setpriv)
    ? [setpriv, ['--pdeathsig', 'TERM', node, ...args]]
    : [node, args];
}

/** Runs `main` and turns a `SetupError` into its sentence and exit code 2. */
export async function orComplain(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetupError)) {
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
