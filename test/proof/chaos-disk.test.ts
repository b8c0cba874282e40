// The chaos run's disk trouble takes hold of a process by strace, and must let go of it whatever happens to the process meanwhile.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Child } from '../../proof/chaos/child.ts';
import { troubleDisk } from '../../proof/chaos/disk-trouble.ts';
import { skipWithoutStrace } from '../log/children/run.ts';

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
