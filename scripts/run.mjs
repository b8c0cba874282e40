// `npm run concordat`, `bench`, `crash-states` and the like: runs a program of the checkout under a Node that fits.
import { join } from 'node:path';
import { orComplain, runNode } from './run-node.mjs';
import { prepare, ROOT } from './setup.mjs';

await orComplain(async () => {
  const node = await prepare();
  const [program = '', ...args] = process.argv.slice(2);
  await runNode(node, [join(ROOT, program), ...args]);
});
