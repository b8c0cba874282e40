// Looks at the machine's processes from outside of the code under test.
import { readdir, readFile, readlink } from 'node:fs/promises';

/**
 * The pids of all processes that work in `directory` or below it: a database server and all its children stand in their
 * data directory. Zombies stand nowhere.
 */
export async function processesIn(directory: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
  return pids.filter((_, index) => `${places[index]}/`.startsWith(`${directory}/`));
}

/** Whether the process is stopped by SIGSTOP. A process that is gone is not. */
export async function isStopped(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return /^State:\s+T/m.test(status);
}

/** Whether the process exists and is more than a zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return status !== '' && !/^State:\s+[ZX]/m.test(status);
}
