// The chaos run's disk trouble takes hold of a process by strace, and must let go of it whatever happens to the process meanwhile.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Child } from '../../proof/chaos/child.ts';
import { troubleDisk } from '../../proof/chaos/disk-trouble.ts';
import { skipWithoutStrace } from '../log/children/run.ts';
import { eventually } from '../support/eventually.ts';

/** Flushes all the time in a thread of its own, as the coordinator's log does. */
const PROGRAM = `
import { fsyncSync, openSync, writeSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';
if (isMainThread) {
  new Worker(new URL(import.meta.url));
  console.log('{"evt":"up"}');
} else {
  const file = openSync(process.env.FLUSHED, 'w');
  for (;;) {
    writeSync(file, 'x', 0);
    fsyncSync(file);
  }
}
`;
const AT_ONCE = 16;

/** Processes that have an argument `text`. */
async function processesWith(text: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return line.split('\0').includes(text) ? [pid] : [];
    }),
  );
  return found.flat();
}

test.skipIf(skipWithoutStrace)('trouble that is over before it has begun leaves no process', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const { pid = 0 } = child;
  try {
    for (let ms = 0; ms < 10; ms += 0.5) {
      const trouble = troubleDisk(pid, 'slow');
      await sleep(ms);
      trouble.end();
    }
    await eventually('none is left', async () => (await processesWith(String(pid))).length === 0);
  } finally {
    child.kill('SIGKILL');
  }
});

test.skipIf(skipWithoutStrace)(
  'a process that is killed while its disk is in trouble ends',
  { timeout: 60_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'concordat-chaos-disk-'));
    try {
      const script = join(directory, 'program.mjs');
      await writeFile(script, PROGRAM);
      // Each is killed at another moment. Strace 6.1 waited for ever in about one of six.
      const ends = Array.from({ length: AT_ONCE }, async (_, index) => {
        const env = { FLUSHED: join(directory, `flushed-${index}`) };
        const words = join(directory, `words-${index}.log`);
        const child = Child.start({ script, args: [], env, words, onEvent: () => undefined });
        await child.says({ evt: 'up' });
        const trouble = troubleDisk(child.pid, 'slow');
        await sleep(300 + 20 * index);
        child.signal('SIGKILL');
        trouble.end();
        return Promise.race([child.ended, sleep(15_000, `${index} does not end`, { ref: false })]);
      });
      expect(await Promise.all(ends)).toEqual(
        Array.from({ length: AT_ONCE }, () => ({ code: null, signal: 'SIGKILL' })),
      );
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);
