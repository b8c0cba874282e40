// Bugs behind the decision: phase two, what is presumed without one, and whose branches are touched. The checker goes through all of it.
import type { Canary } from './canary.ts';

const COMMITTING = 'src/coordinator/engine/committing.ts';

const ONE = { kind: 'check', branches: 1, world: 'crashes' } as const;
const TWO = { kind: 'check', branches: 2, world: 'crashes' } as const;

export const DECISION_CANARIES: readonly Canary[] = [
  {
    id: 'C3',
    title: 'a restart presumes that a prepared branch without a decision is to be committed',
    breaks: ['D1'],
    patches: [
      {
        file: 'src/coordinator/engine/recovered.ts',
        find: "effects: [finishEffect(branch, 'rollback')],",
        put: "effects: [finishEffect(branch, 'commit')],",
      },
    ],
    caughtBy: ONE,
    sees: /^D1/,
  },
  {
    id: 'C5',
    title: 'the decision is accounted for after the first acknowledgement',
    breaks: ['D5', 'D7'],
    patches: [
      {
        file: COMMITTING,
        find: 'const open = branches.some(({ status }) => isOpen(status.kind));',
        put: 'const open = branches.every(({ status }) => isOpen(status.kind));',
      },
    ],
    caughtBy: TWO,
    sees: /^D(5|6|7)/,
  },
  {
    id: 'C14',
    title: 'an end that the engine cannot prove counts as done',
    breaks: ['D6'],
    patches: [
      {
        file: COMMITTING,
        find: "    case 'unproven': {\n",
        put: "    case 'unproven': {\n      return settle(state, { ...branch, status: { kind: 'proven' } }, []);\n",
      },
    ],
    caughtBy: { kind: 'check', branches: 1, world: 'everything', deep: true },
    sees: /^D(4|5|6)/,
  },
  {
    id: 'C14-one-phase',
    title: 'a commit in one phase whose end the engine cannot prove counts as done',
    breaks: ['D5', 'D6'],
    patches: [
      {
        file: 'src/coordinator/engine/one-phase.ts',
        find: "    case 'done':\n      return completeCommit(",
        put: "    case 'unproven':\n    case 'done':\n      return completeCommit(",
      },
    ],
    caughtBy: { kind: 'check', branches: 1, world: 'evidence' },
    sees: /^D(5|6)/,
  },
  {
    id: 'C36',
    title: 'a no counts as the end of a commit in one phase that may have been carried out',
    breaks: ['D5'],
    patches: [
      {
        file: 'src/coordinator/engine/one-phase.ts',
        find: "  return evidence.kind === 'none'\n",
        put: '  return evidence.kind !== undefined\n',
      },
    ],
    caughtBy: { kind: 'check', branches: 1, world: 'crashes' },
    sees: /^D5/,
  },
  {
    id: 'C23',
    title: 'a deadline turns a decision that is being written',
    breaks: ['D2', 'D10'],
    patches: [
      {
        file: 'src/coordinator/engine/deciding.ts',
        find: "    case 'enlist-requested':\n",
        put: `    case 'deadline':
      return {
        state: { kind: 'rolling-back', gtrid: state.gtrid, branches: state.branches, reason: event.reason },
        effects: [...state.branches.map((branch) => finishEffect(branch, 'rollback')), { kind: 'answer', level: 'decided' }],
      };
    case 'enlist-requested':
`,
      },
    ],
    caughtBy: ONE,
    sees: /^D2/,
  },
  {
    id: 'C26',
    title: 'a client that vanishes takes its decided transaction along',
    breaks: ['D2'],
    patches: [
      {
        file: COMMITTING,
        find: "    case 'enlist-requested':\n",
        put: `    case 'client-lost':
      return {
        state: { kind: 'rolling-back', gtrid: state.gtrid, branches: state.branches, reason: event.reason },
        effects: state.branches.map((branch) => finishEffect(branch, 'rollback')),
      };
    case 'enlist-requested':
`,
      },
    ],
    caughtBy: ONE,
    sees: /^D(2|4|5)/,
  },
  {
    id: 'C27',
    title: 'a late yes revives a transaction that rolls back',
    breaks: ['D1', 'D9'],
    patches: [
      {
        file: 'src/coordinator/engine/rolling-back.ts',
        find: "    case 'branch-opened':\n",
        put: `    case 'vote':
      return {
        state,
        effects: [{ kind: 'finish', verb: 'commit', bqual: event.bqual, instance: event.instance, evidence: { kind: 'none' } }],
      };
    case 'branch-opened':
`,
      },
    ],
    caughtBy: ONE,
    sees: /^D1/,
  },
  {
    id: 'C28',
    title: 'proof of the opposite counts as done',
    breaks: ['D4', 'D6'],
    patches: [
      {
        file: COMMITTING,
        find: "    case 'done':\n      return settle(",
        put: "    case 'done-otherwise':\n    case 'done':\n      return settle(",
      },
    ],
    caughtBy: { kind: 'check', branches: 1, world: 'people' },
    sees: /^D(4|5|6)/,
  },
  {
    id: 'C15',
    title: 'prepared branches of another log are rolled back',
    breaks: ['D8'],
    patches: [
      {
        file: 'src/coordinator/engine/absent.ts',
        find: 'if (identity !== log.identity) {',
        put: "if (identity === '') {",
      },
    ],
    caughtBy: ONE,
    sees: /^D8/,
  },
  {
    id: 'C11',
    title: 'branches of a newer epoch than the log knows are rolled back',
    breaks: ['D8'],
    patches: [
      {
        file: 'src/coordinator/engine/absent.ts',
        find: 'if (epoch > log.epoch) {',
        put: 'if (epoch > Number.MAX_SAFE_INTEGER) {',
      },
    ],
    caughtBy: ONE,
    sees: /^D8/,
  },
];
