// strace records and breaks system calls; without it there is nothing to prove with.
import { execFileSync } from 'node:child_process';

/** Undefined when strace is there and may trace; else one sentence that says what to do. */
export function missingStrace(): string | undefined {
  try {
    execFileSync('strace', ['-f', '-q', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? 'This needs strace, which is not installed: apt-get install --yes strace'
      : `This needs strace, which may not trace processes here (a container needs the capability SYS_PTRACE): ${String(error)}`;
  }
}
