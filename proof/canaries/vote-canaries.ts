// Bugs on the way to a decision: what counts as a vote, and when a decision counts. The checker goes through every state of it.
import type { Canary } from './canary.ts';

const BRANCHES = 'src/coordinator/engine/branches.ts';
const PREPARING = 'src/coordinator/engine/preparing.ts';

const ONE = { kind: 'check', branches: 1, world: 'crashes' } as const;
const TWO = { kind: 'check', branches: 2, world: 'crashes' } as const;

const DECIDE = "{ kind: 'decide', record }";

export const VOTE_CANARIES: readonly Canary[] = [
  {
    id: 'C1',
    title: 'branches are told to commit before the decision is forced',
    breaks: ['D1'],
    patches: [
      {
        file: BRANCHES,
        find: DECIDE,
        put: `${DECIDE}, ...prepared.map((branch) => finishEffect(branch, 'commit'))`,
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
        find: 'branches: decidedBranches(prepared),',
        put: 'branches: decidedBranches(prepared.slice(-1)),',
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
        find: ".filter((branch) => branch.vote?.kind === 'prepared')",
        put: ".filter((branch) => branch.vote?.kind !== 'read-only')",
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
        state.branches.map((branch) => ({ ...branch, vote: branch.vote ?? { kind: 'prepared', evidence: { kind: 'none' } } })),
        { readOnly: readOnlyIn(state.branches), unnamed: state.unnamed },
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
    return rollBack(state, vote.reason, state.branches, alarms);
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
    id: 'C16',
    title: 'a commit is answered before its decision is durable',
    breaks: ['D5'],
    patches: [
      {
        file: BRANCHES,
        find: DECIDE,
        put: `${DECIDE}, { kind: 'answer', level: 'decided' }`,
      },
      {
        file: 'src/coordinator/engine/state.ts',
        find: "    case 'committing':\n      return damageIn(",
        put: "    case 'deciding':\n    case 'committing':\n      return damageIn(",
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
        find: ".filter((branch) => branch.vote?.kind === 'prepared')",
        put: '.filter((branch) => branch.vote !== undefined)',
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
        find: ".filter((branch) => branch.vote?.kind === 'prepared')",
        put: ".filter((branch, index) => branch.vote?.kind === 'prepared' && index === 0)",
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
];
