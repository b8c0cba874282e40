// Bugs about what proves an end: the branch's own row, of its own opening, in its own database, and a session without anything of another.
import type { Canary } from './canary.ts';

const ENGINES = 'The models have an engine of their own: the statements of the adapter run at a server only.';
const LENT = 'Nobody lends a connection in the models.';

export const EVIDENCE_CANARIES: readonly Canary[] = [
  {
    id: 'C48',
    title: 'what proves an end outlives the history that it was made in, as the number of a transaction does',
    breaks: ['D4', 'D6'],
    patches: [
      {
        file: 'src/testing/engine/engine.ts',
        find: '    this.#prepared.clear();\n    this.#names.clear();',
        put: '    const numbers = [...this.#prepared.keys()];\n    this.#prepared.clear();\n    this.#names.clear();',
      },
      {
        file: 'src/testing/engine/engine.ts',
        find: 'for (const tag of history.evidence) {',
        put: 'for (const tag of [...numbers, ...history.evidence]) {',
      },
    ],
    caughtBy: { kind: 'sim', seeds: 400 },
    sees: /^D(4|5|12): .*(has lost it|told to be applied|is prepared at)/,
  },
  {
    id: 'C48-mysql',
    title: 'at MySQL any row of a branch proves the end of an opening, whichever opening has left it',
    breaks: ['D4', 'D6'],
    patches: [
      {
        file: 'src/participants/mysql/finish/look.ts',
        find: "const isPresent = left !== undefined && (!('opening' in target) || left === target.opening);",
        put: 'const isPresent = left !== undefined;',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/mysql.test.ts',
      named: 'the row of one opening proves nothing of another',
      why: ENGINES,
    },
    sees: /proves nothing of another/,
  },
  {
    id: 'C49',
    title: 'the evidence row of a lent connection is written before its branch begins',
    breaks: ['D5', 'D6'],
    patches: [
      {
        file: 'src/participants/mysql/lent/session.ts',
        find:
          "        ...startTexts(row, options, ['@@session.wait_timeout', '@@GLOBAL.log_bin']),\n" +
          '        ...(options.readOnly ? [] : [markerText(this.#engine.database, row)]),',
        put:
          '        ...(options.readOnly ? [] : [markerText(this.#engine.database, row)]),\n' +
          "        ...startTexts(row, options, ['@@session.wait_timeout', '@@GLOBAL.log_bin']),",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/client/enlist-outside-mysql.test.ts',
      named: 'leaves no evidence row and is told as rolled back',
      why: LENT,
    },
    sees: /leaves no evidence row/,
  },
  {
    id: 'C50-postgres',
    title: 'a session of PostgreSQL goes to the next branch with the settings of the last',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/participants/postgres/session/session-state.ts',
        find: "['discard sequences', 'reset all'].map(",
        put: "['discard sequences', 'select 1'].map(",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/postgres-boundary.test.ts',
      named: 'a writer that is prepared leaves nothing either',
      why: ENGINES,
    },
    sees: /leaves nothing either/,
  },
  {
    id: 'C50-mysql',
    title: 'a session of MySQL goes to the next branch as the last has left it',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/participants/mysql/session/session.ts',
        find: "    const reset: CommandRequest = { frame: resetFrame(), answer: 'cells' };\n    const fresh",
        put: "    const reset = textRequest('do 0');\n    const fresh",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/mysql.test.ts',
      named: 'is gone before the next branch',
      why: ENGINES,
    },
    sees: /is gone before the next branch/,
  },
];
