// `npm start`: a coordinator with databases and sidecars on this machine, from a bare checkout.
import { join } from 'node:path';
import { orComplain, runNode } from './run-node.mjs';
import { prepare, ROOT } from './setup.mjs';

await orComplain(async () => {
  const node = await prepare();
  await runNode(node, [join(ROOT, 'bin', 'concordat.mjs'), 'dev', ...process.argv.slice(2)]);
});
