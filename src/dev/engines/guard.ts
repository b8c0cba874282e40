// Ends a server when this process ends without saying goodbye, as after SIGKILL.
import { spawn } from 'node:child_process';

// The guard waits for the pid, then for a second line. A line means that the server ended in our care; the end of the
// pipe means that we are gone. The server is stopped first so that it cannot fork between the look at its children and
// the kill. Children are killed as well, because one under SIGSTOP would not notice that its parent is gone. PostgreSQL's
// System V segment (line 7 of postmaster.pid: key and id) would otherwise stay until the next boot.
const SCRIPT = `
read -r pid || exit 0
read -r _ && exit 0
kill -STOP "$pid" 2>/dev/null
children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
set -- $(sed -n 7p "/proc/$pid/cwd/postmaster.pid" 2>/dev/null)
kill -KILL "$pid" $children 2>/dev/null
[ -z "$2" ] || ipcrm -m "$2" 2>/dev/null
`;

interface Guard {
  /** From now on the server `pid` does not outlive this process. */
  watch(pid: number): void;
  /** The server has ended: its number may belong to somebody else soon and must not be touched. */
  release(): void;
}

/** Starts a guard. It is made before the server, so that no moment exists in which the server is alone. */
export function openGuard(): Guard {
  // A session of its own keeps Ctrl-C, which goes to the whole foreground group, away from the guard.
  const child = spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], cwd: '/', detached: true });
  child.on('error', () => {
    // Without a shell the server is unguarded; it is still stopped in every orderly way.
  });
  child.stdin.on('error', () => {
    // Somebody killed the guard. The server itself is unaffected.
  });
  child.unref();
  let watching = false;
  return {
    watch(pid) {
      watching = true;
      child.stdin.write(`${pid}\n`);
    },
    release() {
      child.stdin.end(watching ? 'released\n' : '');
    },
  };
}
