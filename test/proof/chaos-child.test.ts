// How `npm run chaos` learns that a program can work: from the events in its log lines, of each resource that it speaks for.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Child } from '../../proof/chaos/child.ts';

test('an event of one resource is not taken for that of another in the same process', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'concordat-chaos-child-'));
  try {
    const script = join(directory, 'program.mjs');
    await writeFile(
      script,
      `console.log('{"resource":"postgresql","evt":"attached"}');\nsetInterval(() => undefined, 1_000);\n`,
    );
    const child = Child.start({
      script,
      args: [],
      env: {},
      words: join(directory, 'words.log'),
      onEvent: () => undefined,
    });
    expect(await child.says({ evt: 'attached', resource: 'postgresql' })).toBe(true);
    expect(await child.says({ evt: 'attached' })).toBe(true);
    const other = child.says({ evt: 'attached', resource: 'mariadb' });
    child.signal('SIGKILL');
    expect(await other).toBe(false);
    expect(await child.ended).toEqual({ code: null, signal: 'SIGKILL' });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
