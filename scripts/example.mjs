// `npm run example order`: runs one of examples/ under a Node that fits, against the playground of `npm start`.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { orComplain, runNode, SetupError } from './run-node.mjs';
import { prepare, ROOT } from './setup.mjs';

const FOLDER = join(ROOT, 'examples');

/** What can be run in a folder; beside the lessons of the course stands what they share. */
function examples(folder) {
  const runnable = folder === 'course/' ? /^\d\d-.*\.ts$/ : /(?<!\.d)\.(ts|mjs)$/;
  return readdirSync(join(FOLDER, folder))
    .filter((file) => runnable.test(file))
    .map((file) => `${folder}${file}`);
}

await orComplain(async () => {
  const [name = '', ...args] = process.argv.slice(2);
  const files = [...examples(''), ...examples('course/'), ...examples('python/')];
  // A lesson is known by its number, too: course/06.
  const file = files.find(
    (one) => one.replace(/\.\w+$/, '') === name || (/\/\d+$/.test(name) && one.startsWith(`${name}-`)),
  );
  if (file === undefined) {
    const names = files.map((one) => one.replace(/\.\w+$/, '')).join(', ');
    throw new SetupError(
      `${name === '' ? 'Say which example to run' : `There is no example ${name}`}: ${names}. For instance: npm run example order`,
    );
  }
  const node = await prepare();
  await runNode(node, [join(FOLDER, file), ...args]);
});
