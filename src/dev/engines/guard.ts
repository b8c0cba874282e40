// Cleans up when this process ends without saying goodbye, as after SIGKILL or a second Ctrl-C: servers end, temporary folders go.
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

// The guard waits for the pid, then for a second line. A line means that the server ended in our care; the end of the
// pipe means that we are gone. The server is stopped first so that it cannot fork between the look at its children and
// the kill. Children are killed as well, because one under SIGSTOP would not notice that its parent is gone. PostgreSQL's
// System V segment (line 7 of postmaster.pid: key and id) would otherwise stay until the next boot.
// Linux tells children and folder in /proc; where there is none, as on a Mac, pgrep tells the children.
const SERVER_SCRIPT = `
read -r pid || exit 0
read -r _ && exit 0
kill -STOP "$pid" 2>/dev/null
children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || pgrep -P "$pid" 2>/dev/null)
set -- $(sed -n 7p "/proc/$pid/cwd/postmaster.pid" 2>/dev/null)
kill -KILL "$pid" $children 2>/dev/null
[ -z "$2" ] || ipcrm -m "$2" 2>/dev/null
`;

// Servers whose own guards are just ending them may still write there.
const FOLDER_SCRIPT = `
read -r _ && exit 0
tries=0
until rm -rf -- "$1" 2>/dev/null && [ ! -e "$1" ] || [ "$tries" -ge 100 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
`;

interface Guard {
  /** From now on the server `pid` does not outlive this process. */
  watch(pid: number): void;
  /** The server has ended: its number may belong to somebody else soon and must not be touched. */
  release(): void;
}

/** Starts a guard. It is made before the server, so that no moment exists in which the server is alone. */
export function openGuard(): Guard {
  const input = startGuard(SERVER_SCRIPT);
  let watching = false;
  return {
    watch(pid) {
      watching = true;
      input.write(`${pid}\n`);
    },
    release() {
      input.end(watching ? 'released\n' : '');
    },
  };
}

/** Removes `folder` with all that is in it when this process is gone. @returns ends that: somebody else has removed it, or keeps it. */
export function guardFolder(folder: string): () => void {
  const input = startGuard(FOLDER_SCRIPT, folder);
  return () => input.end('released\n');
}

/** Its standard input: a line tells it that we live, its end that we do not. */
function startGuard(script: string, ...args: readonly string[]): Writable {
  // A session of its own keeps Ctrl-C, which goes to the whole foreground group, away from the guard.
  const child = spawn('sh', ['-c', script, 'guard', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    detached: true,
  });
  child.on('error', () => {
    // Without a shell nothing is guarded; it still ends in every orderly way.
  });
  child.stdin.on('error', () => {
    // Somebody killed the guard. What it guards is unaffected.
  });
  child.unref();
  return child.stdin;
}
