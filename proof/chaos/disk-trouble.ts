// The coordinator's disk becomes slow, fails or fills up while it works: strace takes hold of its system calls for a while.
import { type ChildProcess, spawn } from 'node:child_process';
import type { DiskTrouble } from './plan.ts';

/** In microseconds. */
const SLOW_US = 200_000;
/**
 * Told to end just after its process was killed, strace 6.1 may wait for ever for a thread that is no more; and as long as it waits,
 * the killed process does not count as ended.
 */
const LET_GO_WITHIN_MS = 1_000;

const INJECTIONS: Readonly<Record<DiskTrouble, string>> = {
  slow: `fsync:delay_exit=${SLOW_US}`,
  failing: 'fsync:error=EIO:when=1+',
  full: 'pwrite64:error=ENOSPC:when=1+',
};

export interface Trouble {
  /** Lets go of the process, which goes on with a disk that is well unless it has ended. */
  end(): void;
}

/** Begins at once and lasts until `end`, or until the process dies of it. */
export function troubleDisk(pid: number, trouble: DiskTrouble): Trouble {
  const injection = INJECTIONS[trouble];
  const call = injection.slice(0, injection.indexOf(':'));
  const args = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${injection}`, '-p', String(pid)];
  const strace: ChildProcess = spawn('strace', args, { stdio: 'ignore', detached: true });
  strace.on('error', () => {
    // It was there when the run began; without it the disk is merely well.
  });
  return {
    end() {
      strace.kill('SIGTERM');
      const force = setTimeout(() => strace.kill('SIGKILL'), LET_GO_WITHIN_MS);
      strace.once('exit', () => clearTimeout(force));
    },
  };
}
