// `npm run gen`: writes src/gen, the types and codecs of the wire, from proto/.
import { orComplain } from './run-node.mjs';
import { prepare } from './setup.mjs';

await orComplain(() => prepare({ generate: true }));
