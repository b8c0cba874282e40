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

/** While it starts, strace has a child on which it tries out what the kernel can do: that one would be left, stopped for ever. */
function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) {
      process.kill(-leader, 'SIGKILL');
    }
  } catch {
    // Nobody is in it any more.
  }
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
      if (strace.exitCode !== null || strace.signalCode !== null) {
        return;
      }
      strace.kill('SIGTERM');
      const force = setTimeout(() => killGroup(strace.pid), LET_GO_WITHIN_MS);
      strace.once('exit', () => {
        clearTimeout(force);
        killGroup(strace.pid);
      });
    },
  };
}
