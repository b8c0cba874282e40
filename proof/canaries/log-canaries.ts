// Bugs about whose log it is: copies of it, refused or not, and one whose files are taken away.
import type { Canary } from './canary.ts';

export const LOG_CANARIES: readonly Canary[] = [
  {
    id: 'C44',
    title: 'a copy of a log is served wherever its epoch is the higher one',
    breaks: ['D7', 'D8', 'D9'],
    patches: [
      {
        file: 'src/coordinator/identity/known-logs.ts',
        find: 'return own.token === served.token;',
        put: 'return own !== undefined;',
      },
    ],
    caughtBy: { kind: 'sim', seeds: 400 },
    sees: /^D(2|4|5|9)/,
  },
  {
    id: 'C45',
    title: 'a refused log begins a life at its next start',
    breaks: ['D7', 'D8'],
    patches: [
      {
        file: 'src/testing/log/memory-log.ts',
        find: 'if (refused.length === 0) {',
        put: 'if (refused.length >= 0) {',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/log/memory-log.test.ts',
      named: 'a refused log begins no life',
      why: 'A refusal that is in the log keeps the simulated coordinator from everything else: the epoch alone would rise.',
    },
    sees: /epoch/,
  },
  {
    id: 'C45-start',
    title: 'a log that was refused is taken for the right one at its next start',
    breaks: ['D7', 'D8'],
    patches: [
      {
        file: 'src/coordinator/identity/log-copy.ts',
        find: '    this.#refusals = [...(parts.log.recovered.refused ?? [])];',
        put: '    this.#refusals = [];',
      },
    ],
    caughtBy: { kind: 'sim', seeds: 400 },
    sees: /^D8/,
  },
  {
    id: 'C45-word',
    title: "a refused log takes an operator's word on a transaction",
    breaks: ['D8'],
    patches: [
      {
        file: 'src/coordinator/operators/resolutions.ts',
        find: '    driver.ensureUsable(); // A refused log takes no word',
        put: '    // A refused log takes no word',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/log-copy.test.ts',
      named: 'word any more: nothing but the adoption is written',
      why: 'The simulator finds it as well, but its operators rarely act in the moment between the refusal and the next start.',
    },
    sees: /nothing but the adoption is written/,
  },
  {
    id: 'C46',
    title: 'a log goes on in a directory that was taken away',
    breaks: ['D1', 'D5'],
    patches: [{ file: 'src/log/sqlite/file/writer.ts', find: '    presence.check();\n', put: '' }],
    caughtBy: {
      kind: 'test',
      file: 'test/log/sqlite-vanished.test.ts',
      named: 'acknowledges nothing more',
      why: 'The simulated log is in memory and has no directory.',
    },
    sees: /resolved|reject/,
  },
];
