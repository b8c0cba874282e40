// Bugs of votes, of the coordinator that counts them and of the participant that gives them, that the checker must find.

import { HONEST } from '../../proof/check/honesty.ts';
import { evidenceOf } from '../../proof/check/names.ts';
import type { OpenBranch, State } from '../../src/coordinator/engine/state.ts';
import { step } from '../../src/coordinator/engine/step.ts';
import { step as branchStep } from '../../src/participants/engine/step.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { changed, misheard, type PlantedBug } from './check-planted-bug.ts';

const votesUnlisted: typeof branchStep = (branch, event) =>
  event.kind === 'listed' && event.prepared.length === 0
    ? { ...branch, effects: [{ kind: 'vote', vote: { kind: 'prepared', evidence: evidenceOf(0, 1) } }] }
    : branchStep(branch, event);

export const VOTE_BUGS: readonly PlantedBug[] = [
  {
    name: 'a missing vote counts as a yes',
    branches: 2,
    world: 'crashes',
    planted: changed((_before, event, after) => {
      let { state, effects } = after;
      for (let missing = awaited(state); event.kind === 'vote' && missing !== undefined; missing = awaited(state)) {
        const { bqual, instance = 'nobody' } = missing;
        const next = step(state, { kind: 'vote', bqual, instance, vote: { kind: 'prepared', evidence: NO_EVIDENCE } });
        state = next.state;
        effects = [...effects, ...next.effects];
      }
      return { state, effects };
    }),
    violates: /^D3/,
  },
  {
    name: 'one vote is forgotten, and the decision does not name its branch',
    branches: 2,
    world: 'crashes',
    planted: changed((_before, _event, after) => {
      const decide = after.effects.find((effect) => effect.kind === 'decide');
      if (decide === undefined || after.state.kind !== 'deciding' || decide.record.branches.length < 2) {
        return after;
      }
      const record = { ...decide.record, branches: decide.record.branches.slice(1) };
      return { state: { ...after.state, branches: after.state.branches.slice(1) }, effects: [{ ...decide, record }] };
    }),
    violates: /^D3/,
  },
  {
    name: 'a read-only vote counts as prepared',
    branches: 2,
    world: 'crashes',
    planted: misheard((_state, event) =>
      event.kind === 'vote' && event.vote.kind === 'read-only'
        ? { ...event, vote: { kind: 'prepared', evidence: NO_EVIDENCE } }
        : event,
    ),
    violates: /^D3/,
  },
  {
    name: 'a no counts as a read-only vote',
    branches: 2,
    world: 'crashes',
    planted: misheard((_state, event) =>
      event.kind === 'vote' && event.vote.kind === 'rollback' ? { ...event, vote: { kind: 'read-only' } } : event,
    ),
    violates: /^D3/,
  },
  {
    name: 'a branch that was opened and that the client does not name is left out of account',
    branches: 2,
    world: 'crashes',
    planted: changed((before, event, after) => {
      if (before.kind !== 'active' || event.kind !== 'commit-requested' || after.state.kind !== 'rolling-back') {
        return after;
      }
      const named = before.branches.filter(({ bqual }) => event.claimed.some((claimed) => claimed.bqual === bqual));
      return before.rollbackOnly === undefined ? step({ ...before, branches: named }, event) : after;
    }),
    violates: /^D3/,
  },
  {
    name: 'a late yes revives a transaction that rolls back',
    branches: 1,
    world: 'crashes',
    planted: changed((before, event, after) =>
      before.kind === 'rolling-back' && event.kind === 'vote' && event.vote.kind === 'prepared'
        ? {
            state: after.state,
            effects: [
              {
                kind: 'finish',
                verb: 'commit',
                bqual: event.bqual,
                instance: undefined,
                evidence: event.vote.evidence,
              },
            ],
          }
        : after,
    ),
    violates: /^D1/,
  },
  {
    name: 'a participant votes yes although its engine rolled the branch back',
    branches: 2,
    world: 'crashes',
    planted: { participant: { ...HONEST, voteOfRefused: 'yes' } },
    violates: /^D3/,
  },
  {
    name: 'a participant votes yes for a branch that its engine does not list',
    branches: 2,
    world: 'clients, crashes',
    deep: true,
    planted: { participant: { ...HONEST, step: votesUnlisted } },
    violates: /^D/,
  },
];

function awaited(state: State): OpenBranch | undefined {
  return state.kind === 'preparing' ? state.branches.find((branch) => branch.vote === undefined) : undefined;
}
