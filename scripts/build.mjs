// `npm run build`, which `npm pack`, `npm publish` and a git dependency run first: writes dist/, the compiled programs, from src/.

import { build } from './compile.mjs';
import { orComplain } from './run-node.mjs';

await orComplain(build);
