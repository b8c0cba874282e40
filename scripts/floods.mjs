// `npm run floods`: every flood of test/floods for six seconds, with the numbers. A name, or a part of it, picks some.
import { join } from 'node:path';
import { orComplain, runNode } from './run-node.mjs';
import { prepare, ROOT } from './setup.mjs';

await orComplain(async () => {
  const node = await prepare();
  const names = process.argv.slice(2).flatMap((name) => ['-t', name]);
  const environment = { CONCORDAT_FLOOD_MS: process.env.CONCORDAT_FLOOD_MS ?? '6000' };
  process.chdir(ROOT);
  await runNode(node, [join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/floods', ...names], {
    environment,
  });
});
