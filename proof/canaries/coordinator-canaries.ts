// Bugs of the coordinator's protocol: votes, decision, phase two. The checker goes through every state of it.
import type { Canary } from './canary.ts';

const BRANCHES = 'src/coordinator/engine/branches.ts';
const COMMITTING = 'src/coordinator/engine/committing.ts';
const DECIDING = 'src/coordinator/engine/deciding.ts';
const PREPARING = 'src/coordinator/engine/preparing.ts';

const ONE = { kind: 'check', branches: 1, world: 'crashes' } as const;
const TWO = { kind: 'check', branches: 2, world: 'crashes' } as const;

const BRANCH_AND_RECORD = `        record: { kind: 'decided', gtrid: state.gtrid, branches: decidedBranches(prepared), requestId },
      },
`;

export const COORDINATOR_CANARIES: readonly Canary[] = [
  {
    id: 'C1',
    title: 'branches are told to commit before the decision is forced',
    breaks: ['D1'],
    patches: [
      {
        file: BRANCHES,
        find: BRANCH_AND_RECORD,
        put: `${BRANCH_AND_RECORD}      ...prepared.map((branch) => finishEffect(branch, 'commit')),\n`,
      },
    ],
    caughtBy: ONE,
    sees: /^D1/,
  },
  {
    id: 'C2',
    title: 'the decision forgets one of the votes',
    breaks: ['D3', 'D7'],
    patches: [
      {
        file: BRANCHES,
        find: 'branches: decidedBranches(prepared), requestId',
        put: 'branches: decidedBranches(prepared.slice(-1)), requestId',
      },
    ],
    caughtBy: TWO,
    sees: /^D(3|4|7)/,
  },
  {
    id: 'C2-missing',
    title: 'the first yes decides, and the votes that are missing count as yes',
    breaks: ['D3'],
    patches: [
      {
        file: PREPARING,
        find: 'return branches.every((other) => other.vote !== undefined)\n',
        put: 'return branches.some((other) => other.vote !== undefined)\n',
      },
      {
        file: BRANCHES,
        find: '    branches.every((branch) => branch.vote !== undefined),\n',
        put: '    branches.length > 0,\n',
      },
      {
        file: BRANCHES,
        find: ".filter((branch) => branch.vote?.kind === 'prepared')\n",
        put: ".filter((branch) => branch.vote?.kind !== 'read-only')\n",
      },
    ],
    caughtBy: TWO,
    sees: /^D3/,
  },
  {
    id: 'C2-timeout',
    title: 'a deadline counts as the votes that are missing',
    breaks: ['D3'],
    patches: [
      {
        file: PREPARING,
        find: "    case 'deadline':\n",
        put: `    case 'deadline':
      return decide(
        state,
        state.branches.map((branch) => ({ ...branch, vote: branch.vote ?? { kind: 'prepared', evidence: '' } })),
        state.requestId,
      );
`,
      },
    ],
    caughtBy: TWO,
    sees: /^D3/,
  },
  {
    id: 'C2-no',
    title: 'a no counts as a read-only vote',
    breaks: ['D3'],
    patches: [
      {
        file: PREPARING,
        find: `  if (vote.kind === 'rollback') {
    return rollBack(state, vote.reason);
  }
  const branches = withVote(state.branches, event, vote);`,
        put: `  const branches = withVote(
    state.branches,
    event,
    vote.kind === 'rollback' ? { kind: 'read-only' } : vote,
  );`,
      },
    ],
    caughtBy: TWO,
    sees: /^D3/,
  },
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
        find: "    case 'done':\n      return complete(",
        put: "    case 'unproven':\n    case 'done':\n      return complete(",
      },
    ],
    caughtBy: { kind: 'check', branches: 1, world: 'evidence' },
    sees: /^D(5|6)/,
  },
  {
    id: 'C16',
    title: 'a commit is answered before its decision is durable',
    breaks: ['D5'],
    patches: [
      {
        file: BRANCHES,
        find: BRANCH_AND_RECORD,
        put: `${BRANCH_AND_RECORD}      { kind: 'answer', level: 'decided' },\n`,
      },
      {
        file: 'src/coordinator/answers.ts',
        find: "    case 'committing':\n",
        put: "    case 'deciding':\n    case 'committing':\n",
      },
    ],
    caughtBy: ONE,
    sees: /^D5/,
  },
  {
    id: 'C20',
    title: 'a read-only vote counts as prepared',
    breaks: ['D3'],
    patches: [
      {
        file: BRANCHES,
        find: ".filter((branch) => branch.vote?.kind === 'prepared')\n",
        put: '.filter((branch) => branch.vote !== undefined)\n',
      },
    ],
    caughtBy: TWO,
    sees: /^D3/,
  },
  {
    id: 'C20-prepared',
    title: 'a vote for prepared counts as read-only, and its branch is never told',
    breaks: ['D3', 'D4'],
    patches: [
      {
        file: BRANCHES,
        find: ".filter((branch) => branch.vote?.kind === 'prepared')\n",
        put: ".filter((branch, index) => branch.vote?.kind === 'prepared' && index === 0)\n",
      },
    ],
    caughtBy: TWO,
    sees: /^D(3|4|5)/,
  },
  {
    id: 'C21',
    title: 'of two branches the first is committed in one phase',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/coordinator/engine/active.ts',
        find: 'if (second === undefined && first.vote === undefined) {',
        put: 'if (first.vote === undefined) {',
      },
    ],
    caughtBy: TWO,
    sees: /^D(3|4|5)/,
  },
  {
    id: 'C23',
    title: 'a deadline turns a decision that is being written',
    breaks: ['D2', 'D10'],
    patches: [
      {
        file: DECIDING,
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
        effects: [{ kind: 'finish', verb: 'commit', bqual: event.bqual, instance: event.instance, evidence: '' }],
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
    id: 'C29',
    title: 'a branch that was opened and that the client does not name is left out of account',
    breaks: ['D3'],
    patches: [
      {
        file: 'src/coordinator/engine/active.ts',
        find: `  const branches = claim(state.branches, event.claimed);
  if (`,
        put: `  const branches = claim(state.branches, event.claimed)?.filter((branch) => branch.claimed);
  if (`,
      },
    ],
    caughtBy: TWO,
    sees: /^D3/,
  },
  {
    id: 'C15',
    title: 'prepared branches of another log are rolled back',
    breaks: ['D8'],
    patches: [
      {
        file: 'src/coordinator/strays.ts',
        find: 'if (identity !== log.recovered.identity) {',
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
        file: 'src/coordinator/strays.ts',
        find: 'if (epoch > log.recovered.epoch) {',
        put: 'if (epoch > Number.MAX_SAFE_INTEGER) {',
      },
    ],
    caughtBy: ONE,
    sees: /^D8/,
  },
];
