// Bugs of what is answered: whose commit it was, and whose word of an end counts.
import type { Canary } from './canary.ts';

export const ANSWER_CANARIES: readonly Canary[] = [
  {
    id: 'C43',
    title: 'a commit that names other branches than were decided is told as committed',
    breaks: ['D5'],
    patches: [
      {
        file: 'src/coordinator/engine/scope.ts',
        find: '  if (others.length === 0 && missing.length === 0) {',
        put: '  if (others.length >= 0 && missing.length >= 0) {',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/other-branches.test.ts',
      named: 'is refused when it is completed',
      why: 'The clients of both models know which branches they have opened, and nobody else commits in their place.',
    },
    sees: /not refused: .*OUTCOME_COMMITTED/,
  },
  {
    id: 'C47',
    title: 'the result of an instance that was not asked is believed',
    breaks: ['D5', 'D6'],
    patches: [
      {
        file: 'src/coordinator/engine/routing.ts',
        find: 'if (isAsked || (state !== undefined && isOwnDamage(state, answer, instance))) {',
        put: 'if (isAsked !== undefined) {',
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/contradictions.test.ts',
      named: 'does not count, and people hear of it',
      why: 'The participants of both models answer what they were asked, and nothing else.',
    },
    sees: /does not count, and people hear of it/,
  },
  {
    id: 'C51',
    title:
      'a second announcement of what will prove a commit in one phase takes the place of the first, which may be carried out',
    breaks: ['D3', 'D5'],
    patches: [
      {
        file: 'src/coordinator/engine/one-phase.ts',
        find: "  if (known.evidence.kind !== 'none' && !isSameEvidence(known.evidence, evidence)) {",
        put: "  if (known.bqual === '-') {",
      },
    ],
    caughtBy: {
      kind: 'test',
      file: 'test/coordinator/one-phase.test.ts',
      named: 'whatever its participant announces once it was told',
      why: 'The participants of both models announce one evidence for each opening.',
    },
    sees: /whatever its participant announces/,
  },
];
