// Planted bugs of openings and of what proves an end: one that is taken for another, and an answer that no standby has.
import type { Canary } from './canary.ts';

const MODEL = 'The models let no two openings of a name be prepared at once, as the key of the row does.';

export const OPENING_CANARIES: readonly Canary[] = [
  {
    id: 'C60',
    title: 'another opening of a decided branch is left alone until somebody asks',
    breaks: ['D9', 'D12'],
    patches: [
      {
        file: 'src/coordinator/engine/reports.ts',
        find: 'return areOfTwo(branch.evidence, evidenceOf(report));',
        put: 'return false;',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/openings.test.ts',
      named: 'the second is rolled back before the decided one is proven',
      why: MODEL,
    },
    sees: /before the decided one is proven/,
  },
  {
    id: 'C61',
    title: 'a participant takes what it holds under a name for the opening that it is told to finish',
    breaks: ['D3', 'D4'],
    patches: [
      {
        file: 'src/participants/engine/state.ts',
        find: 'return opening !== undefined && areOfTwo(evidence, openingEvidence(opening));',
        put: 'return opening !== undefined && opening.length === 0;',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/runtime-finish.test.ts',
      named: 'a commit of one opening is answered at once while another is at work',
      why: MODEL,
    },
    sees: /while another is at work/,
  },
  {
    id: 'C62',
    title: 'a row of whichever opening proves the commit of the one that is asked for',
    breaks: ['D4', 'D6'],
    patches: [
      {
        file: 'src/participants/postgres/tables/rows.ts',
        find: 'where gtrid = $1 and bqual = $2 and opening = $3 for no key update nowait',
        put: 'where gtrid = $1 and bqual = $2 and $3 <> $1 for no key update nowait',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/postgres-18.test.ts',
      named: 'a rollback of one opening ends its session, wherever it is, and leaves the other prepared',
      why: 'The models have engines of their own.',
    },
    sees: /leaves the other prepared/,
  },
  {
    id: 'C63',
    title: 'a commit counts although its wait for the synchronous standby was cut off',
    breaks: ['D5', 'D6'],
    patches: [
      {
        file: 'src/participants/postgres/protocol/batch.ts',
        find: "return (notice as { readonly routine?: unknown } | undefined)?.routine === 'SyncRepWaitForLSN';",
        put: 'return notice === 0;',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/participants/postgres-history.test.ts',
      named: 'by hand is not told as committed before the standby has it',
      why: 'The models have no standbys.',
    },
    sees: /by hand is not told as committed/,
  },
];
