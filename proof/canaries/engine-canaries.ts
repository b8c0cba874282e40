// Bugs about which engine it is that answers: another one at the address, a copy beside its original.
import type { Canary } from './canary.ts';

export const ENGINE_CANARIES: readonly Canary[] = [
  {
    id: 'C40',
    title: 'who the engine is is asked when the participant attaches, and not of each connection that it opens later',
    breaks: ['D4', 'D5'],
    patches: [
      {
        file: 'src/participants/attach/engine-watch.ts',
        find: '    this.#options.rm.expectIdentity(identity);\n',
        put: '',
      },
    ],
    caughtBy: { kind: 'sim', seeds: 400 },
    sees: /^D(4|5)/,
  },
  {
    id: 'C41',
    title:
      'a second participant of a resource is taken for one at the same database, since its engine has the same identity',
    breaks: ['D5'],
    patches: [
      {
        file: 'src/coordinator/identity/witness.ts',
        find: "if (answer.token === '' || answer.token !== token) {",
        put: 'if (token === undefined) {',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/witness.test.ts',
      named: 'rows and all',
      why: 'The simulated databases are not copied while their participants live.',
    },
    sees: /rows and all/,
  },
];
