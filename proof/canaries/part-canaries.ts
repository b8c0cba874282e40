// Bugs of parts that neither the checker nor the simulator has in it: the log on a real disk, its lock, the adapters of real databases.
import type { Canary } from './canary.ts';

const LOCK = {
  kind: 'test',
  file: 'test/log/sqlite-log.test.ts',
  named: 'a second log on the same storage is refused',
  why: 'The simulator has its log in memory, and one process for it: a lock between processes exists on a real disk only.',
} as const;

const POSTGRES =
  'The models have an engine of their own: only the adapter reads the words of PostgreSQL, and only a server says them.';

export const PART_CANARIES: readonly Canary[] = [
  {
    id: 'C8',
    title: 'a commit whose outcome is unknown is tried again as another transaction',
    breaks: ['D5'],
    patches: [
      {
        file: 'src/client/run.ts',
        find: '(error instanceof ConcordatError && error.retryable);',
        put: 'error instanceof ConcordatError;',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/client/run.test.ts',
      named: 'without retries a retryable error is thrown at once',
      why: 'The simulated applications end each transaction by themselves, and the retry of a whole function is around that.',
    },
    sees: /others never again/,
  },
  {
    id: 'C11-coordinator',
    title: 'a coordinator serves a database that has served a newer epoch of its log',
    breaks: ['D8'],
    patches: [
      { file: 'src/coordinator/participants/hello.ts', find: 'if (epoch > own.epoch || ', put: 'if (epoch < 0 || ' },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/attach.test.ts',
      named: 'a database that has served a newer epoch refuses this coordinator',
      why: 'The simulator never runs two coordinators on two copies of one log at the same time.',
    },
    sees: /epoch/,
  },
  {
    id: 'C11-participant',
    title: 'a participant obeys a coordinator of an older epoch than its database has served',
    breaks: ['D8'],
    patches: [
      {
        file: 'src/participants/attach/attach.ts',
        find: "if (lifeStandingOf(welcome, recorded) !== 'served') {",
        put: 'if (recorded.epoch < 0) {',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/runtime-lives.test.ts',
      named: 'an older epoch than the engine has served',
      why: 'The simulator never runs two coordinators on two copies of one log at the same time.',
    },
    sees: /epoch/,
  },
  {
    id: 'C12',
    title: 'a start recovers before it has the lock',
    breaks: ['D1', 'D7'],
    patches: [
      { file: 'src/log/sqlite/sqlite-log.ts', find: '  const lock = undo.use(takeLock(files.lock));\n', put: '' },
      {
        file: 'src/log/sqlite/sqlite-log.ts',
        find: '  const reader = openReader(files.log);\n',
        put: '  const lock = undo.use(takeLock(files.lock));\n  const reader = openReader(files.log);\n',
      },
    ],
    caughtBy: LOCK,
    sees: /second log/,
  },
  {
    id: 'C25',
    title: 'the lock lets two processes recover at once',
    breaks: ['D1', 'D7'],
    patches: [{ file: 'src/log/sqlite/file/lock.ts', find: "db.exec('BEGIN EXCLUSIVE');", put: "db.exec('BEGIN');" }],
    caughtBy: LOCK,
    sees: /second log/,
  },
  {
    id: 'C13-postgres',
    title: 'any answer to PREPARE TRANSACTION counts as prepared, whatever its tag',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/participants/postgres/branch/judge.ts',
        find: "return tag === PREPARED ? { kind: 'prepared',",
        put: "return tag !== undefined ? { kind: 'prepared',",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/postgres-18.test.ts',
      named: 'PREPARE TRANSACTION succeeds with the tag ROLLBACK',
      why: POSTGRES,
    },
    sees: /tag ROLLBACK/,
  },
  {
    id: 'C14-postgres',
    title: 'a name that PostgreSQL does not know counts as committed',
    breaks: ['D6'],
    patches: [
      {
        file: 'src/participants/postgres/finish/finish.ts',
        find: "return { kind: 'done-otherwise', proof: notHere(row) };",
        put: "return { kind: 'done' };",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/postgres-18.test.ts',
      named: 'commit of a branch that was rolled back by hand is done otherwise',
      why: POSTGRES,
    },
    sees: /done otherwise, with proof/,
  },
  {
    id: 'C24',
    title: 'compaction drops the newest record that it carries along',
    breaks: ['D7'],
    patches: [
      {
        file: 'src/log/sqlite/history/compaction.ts',
        find: 'slice.kept.flatMap(recordsOf).map(encodeLine)',
        put: 'slice.kept.flatMap(recordsOf).slice(0, -1).map(encodeLine)',
      },
    ],
    caughtBy: { kind: 'crash-states', seed: 1, states: 300 },
    sees: /^(lost|refused)/,
  },
  {
    id: 'C24-sync',
    title: 'the log says that a record is durable before the disk has it',
    breaks: ['D1', 'D7'],
    patches: [
      {
        file: 'src/log/sqlite/file/connection.ts',
        find: "db.pragma('synchronous = FULL');",
        put: "db.pragma('synchronous = NORMAL');",
      },
      { file: 'src/log/sqlite/file/connection.ts', find: 'level === SYNCHRONOUS_FULL', put: 'level !== undefined' },
    ],
    caughtBy: { kind: 'crash-states', seed: 1, states: 300 },
    sees: /^(lost|refused)/,
  },
  {
    id: 'C32',
    title: 'a prepared branch that nobody could be told to roll back is never asked for again',
    breaks: ['D4'],
    patches: [
      {
        file: 'src/coordinator/reports/reports.ts',
        find: '    this.#parts.unreached.attached(link);\n',
        put: '',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/unreached.test.ts',
      named: 'is damage if somebody has committed it by hand meanwhile',
      why: 'The simulator cannot tell which hands could have been noticed: a vote that never arrived leaves nothing to ask with.',
    },
    sees: /the damage is told/,
  },
  {
    id: 'C14-participant',
    title: 'a participant takes a commit in one phase for done when its engine neither lists nor proves it',
    breaks: ['D5', 'D6'],
    patches: [
      {
        file: 'src/participants/engine/results.ts',
        find: "    case 'committed':\n      return answered(",
        put: "    case 'unproven':\n    case 'committed':\n      return answered(",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/runtime-one-phase.test.ts',
      named: 'of a branch that another life held is told by the evidence, or as unproven',
      why: 'The engines of the simulator forget nothing, and whoever asks for such a proof knows the evidence.',
    },
    sees: /FINISH_RESULT/,
  },
  {
    id: 'C34',
    title: 'a branch that is being committed is given to a second participant, which lists it as prepared',
    breaks: ['D6'],
    patches: [
      {
        file: 'src/coordinator/engine/routing.ts',
        find: "return isSameInstance || agoMs < CALL_DOUBLED_MS ? 'left' : 'replaces';",
        put: "return isSameInstance ? 'left' : 'replaces';",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/calls.test.ts',
      named: 'finds the branch only when its own has not answered',
      why: 'The engines of the models let two participants finish one branch at once without harm, and MariaDB does not.',
    },
    sees: /only when its own has not answered/,
  },
  {
    id: 'C35',
    title: 'the OK of MariaDB is believed for a branch that it still holds',
    breaks: ['D6'],
    patches: [
      {
        file: 'src/participants/mysql/finish/finish.ts',
        find: "(letsGo || (await lookFor(control, known, row)).marker !== 'locked')",
        put: 'true',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/mariadb-letting-go.test.ts',
      named: 'is not taken for over',
      why: 'The models have an engine of their own, which does not say OK to what it does not do.',
    },
    sees: /is not taken for over/,
  },
  {
    id: 'C64',
    title: 'a nested scope that failed goes back at one of its branches only, and half of it is committed',
    breaks: ['D4'],
    patches: [
      {
        file: 'src/client/scope/nested.ts',
        find: "await closeAll(work, level, 'undo');",
        put: "await each(work.branches.slice(0, 1), (branch) => branch.closeScope?.(level, 'undo'), work);",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/client/nested-mariadb.test.ts',
      named: 'a part that fails costs only itself, at every depth and at branches that it opened',
      why: 'The simulated applications nest nothing, and only a real server has savepoints.',
    },
    sees: /to deeply equal/,
  },
];
