// One directory for everything that a test run leaves on disk, and the sentence about databases that could not be had.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Holds one directory for each server of the run and `missing/`, a file for each engine that is not available. */
    readonly runDirectory: string;
  }
}

const PREFIX = 'concordat-tests-';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers();
  const directory = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  // As root the PostgreSQL servers run under another account, which must be able to enter.
  await chmod(directory, 0o755);
  await mkdir(join(directory, 'missing'));
  project.provide('runDirectory', directory);
  return async () => {
    await reportMissing(join(directory, 'missing'));
    await rm(directory, { recursive: true, force: true });
  };
}

async function reportMissing(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const reason = await readFile(join(directory, name), 'utf8');
    process.stderr.write(`\nSkipped: the tests that need ${name}. ${reason}\n`);
  }
}

/** A run that was killed could not tidy up. Its process id is in the directory's name. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split('-')[0]) : Number.NaN;
    if (Number.isInteger(pid) && !isAlive(pid)) {
      await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {
        // Another user's directory: not ours to remove.
      });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
