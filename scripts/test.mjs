// `npm test`: the whole suite, with its databases. `--no-engines` leaves out what needs a database; the rest goes to vitest.
import { join } from 'node:path';
import { orComplain, runNode } from './run-node.mjs';
import { prepare, ROOT } from './setup.mjs';

await orComplain(async () => {
  const node = await prepare();
  const args = process.argv.slice(2);
  const environment = args.includes('--no-engines') ? { CONCORDAT_TEST_ENGINES: 'off' } : {};
  const rest = args.filter((argument) => argument !== '--no-engines');
  process.chdir(ROOT);
  await runNode(node, [join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...rest], { environment });
});
