// What a run needs for a while, and leaves nothing of: a directory in memory, where syncs cost nothing, and processes.
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Scratch extends Disposable {
  readonly directory: string;
  /** Kills the process, and its group if it leads one, with everything else at the end, or when what is returned is called. */
  own(child: ChildProcess, group: boolean): () => void;
}

/** Gone when it is disposed of, and also when this process is interrupted. */
export function openScratch(): Scratch {
  const memory = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() === true;
  const directory = mkdtempSync(join(memory ? '/dev/shm' : tmpdir(), 'concordat-proof-'));
  const children = new Map<ChildProcess, boolean>();
  const interrupted = (): void => process.exit(130);
  const clean = (): void => {
    for (const [child, group] of children) {
      killed(child, group);
    }
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', clean);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) {
    process.once(signal, interrupted);
  }
  return {
    directory,
    own(child, group) {
      children.set(child, group);
      child.once('close', () => children.delete(child));
      return () => killed(child, group);
    },
    [Symbol.dispose]() {
      process.off('exit', clean);
      for (const signal of signals) {
        process.off(signal, interrupted);
      }
      clean();
    },
  };
}

function killed(child: ChildProcess, group: boolean): void {
  try {
    process.kill(group ? -(child.pid ?? 0) : (child.pid ?? 0), 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
