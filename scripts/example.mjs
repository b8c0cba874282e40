// `npm run example order`: runs one of examples/ under a Node that fits, against the playground of `npm start`.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { orComplain, runNode, SetupError } from './run-node.mjs';
import { prepare, ROOT } from './setup.mjs';

const FOLDER = join(ROOT, 'examples');

await orComplain(async () => {
  const [name = '', ...args] = process.argv.slice(2);
  const files = readdirSync(FOLDER).filter((file) => /\.(ts|mjs)$/.test(file) && !file.endsWith('.d.mts'));
  const file = files.find((one) => one.replace(/\.\w+$/, '') === name);
  if (file === undefined) {
    const names = files.map((one) => one.replace(/\.\w+$/, '')).join(', ');
    throw new SetupError(
      `${name === '' ? 'Say which example to run' : `There is no example ${name}`}: ${names}. For instance: npm run example order`,
    );
  }
  const node = await prepare();
  await runNode(node, [join(FOLDER, file), ...args]);
});
