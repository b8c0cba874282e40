// States, effects and records of the engine as lines that people read: nothing that a step decides is left out of them.

import type { Effect, Event } from '../../src/coordinator/engine/event.ts';
import type { Judgement } from '../../src/coordinator/engine/operator.ts';
import {
  type FinishingBranch,
  type OpenBranch,
  presumedIn,
  type State,
  whyEnded,
} from '../../src/coordinator/engine/state.ts';
import { unreachable } from '../../src/lib/assert.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { type Evidence, openingOf } from '../../src/xa/evidence.ts';
import type { Reason } from '../../src/xa/vocabulary.ts';

/** Lists longer than this are told by their number, so that a case about limits stays readable. */
const LISTED_MAX = 6;

/** The line of a change from `before` to `after`; undefined when the state is the very same object. */
export function describeChange(before: State | undefined, after: State): string | undefined {
  if (before === after) {
    return undefined;
  }
  const arrow = before !== undefined && before.kind !== after.kind ? `${before.kind} -> ` : '';
  return `${arrow}${describeState(after)}`;
}

export function describeState(state: State): string {
  const of = presumed(state);
  switch (state.kind) {
    case 'active': {
      const mark = state.rollbackOnly === undefined ? '' : `, rollback-only${describeReason(state.rollbackOnly)}`;
      return `active${mark}: ${list(state.branches.map(openBranch))}`;
    }
    case 'preparing':
      return `preparing${request(state.requestId)}: ${list(state.branches.map(openBranch))}`;
    case 'one-phase':
      return `one-phase: ${finishingBranch(state.branch)}`;
    case 'deciding':
    case 'committing':
      return `${state.kind}${request(state.requestId)}: ${list(state.branches.map(finishingBranch))}`;
    case 'rolling-back':
      return `rolling-back${of}${describeReason(state.reason)}: ${list(state.branches.map(finishingBranch))}`;
    case 'completed': {
      const against = state.outcome === 'mixed' || state.outcome === 'hazard' ? `, decision ${state.decision}` : '';
      const logged = state.logged ? ', logged' : '';
      const why = whyEnded(state);
      const reason = why === undefined ? '' : describeReason(why);
      return `completed ${state.outcome}${of}${against}${logged}${reason}: ${list(state.branches.map(finishingBranch))}`;
    }
    default:
      return unreachable(state);
  }
}

/** Every effect in order; equal verbs to more branches than a page holds are told by their number. */
export function describeEffects(effects: readonly Effect[], state: State): string[] {
  const lines = effects.map((effect) => describeEffect(effect, state));
  const verbs = lines.map((line) => line.split(' ')[0]);
  const first = verbs[0];
  const same = verbs.findIndex((verb) => verb !== first);
  const run = same === -1 ? verbs.length : same;
  return run > LISTED_MAX ? [`${first} at ${run} branches`, ...lines.slice(run)] : lines;
}

export function describeEffect(effect: Effect, state: State): string {
  switch (effect.kind) {
    case 'prepare':
      return `${effect.asked ? 'await' : 'prepare'} ${at(effect)}`;
    case 'finish':
      return `${effect.verb} ${at(effect)}${after(effect.evidence)}`;
    case 'retry':
      return `retry ${effect.bqual} after attempt ${effect.attempts}`;
    case 'decide':
    case 'record-damage':
      return `force ${describeRecord(effect.record)}`;
    case 'finished':
      return `append ${describeRecord(effect.record)}`;
    case 'answer':
      return `answer ${effect.level}: ${told(state) ?? 'NOTHING CAN BE TOLD'}`;
    case 'refuse-end':
      return `refuse this end: ${effect.reason.code}: ${effect.reason.message}`;
    case 'refuse-enlist':
      return `refuse ${effect.bqual}: ${effect.code}`;
    case 'alarm':
      return `alarm ${effect.bqual}: ${effect.message}`;
    default:
      return unreachable(effect);
  }
}

/** What a caller may hear in a state; undefined: the outcome is not known yet (D5). */
export function told(state: State): string | undefined {
  switch (state.kind) {
    case 'committing':
      return 'committed';
    case 'rolling-back':
      return 'rolled-back';
    case 'completed':
      return state.outcome;
    default:
      return undefined;
  }
}

export function describeRecord(record: LogRecord): string {
  switch (record.kind) {
    case 'decided': {
      const branches = record.branches.map(({ bqual, evidence }) => `${bqual}=${openingOf(evidence) ?? ''}`);
      const { readOnly = [], unnamed = [] } = record;
      const beside = [
        ...readOnly.map((bqual) => `, ${bqual} only read`),
        ...unnamed.map((bqual) => `, ${bqual} not named`),
      ];
      return `decided${request(record.requestId)} ${list(branches)}${beside.join('')}`;
    }
    case 'heuristic': {
      const damage = record.damage.map(({ bqual, kind, proof }) => `${bqual} ${kind} "${proof}"`);
      return `heuristic, decision ${record.decision}: ${list(damage)}`;
    }
    case 'operator-action':
      return `operator-action ${record.action}${record.bqual === undefined ? '' : ` ${record.bqual}`}`;
    default:
      return record.kind;
  }
}

export function describeJudgement(judgement: Judgement): string[] {
  return judgement.kind === 'allowed'
    ? ['allowed:', ...judgement.effects.map((effect) => `- ${effect}`)]
    : [`refused ${judgement.code}: ${judgement.message}`];
}

/** For messages of failed properties: the kind and the branch. */
export function describeEvent(event: Event): string {
  return 'bqual' in event ? `${event.kind} ${event.bqual}` : event.kind;
}

/** By the word that the script has for the opening. */
export function after(evidence: Evidence): string {
  const opening = openingOf(evidence);
  const may = evidence.kind === 'opening' ? ' (its row may be gone)' : '';
  return opening === undefined ? '' : ` ${opening}${may}`;
}

function openBranch(branch: OpenBranch): string {
  const { vote } = branch;
  const opening = openingOf(branch.evidence);
  const evidence = opening === undefined ? '' : ` opening ${opening}`;
  const voted =
    vote === undefined ? evidence : vote.kind === 'prepared' ? ` prepared${after(vote.evidence)}` : ' read-only';
  return `${at(branch)}${voted}${branch.claimed ? '' : ' unclaimed'}`;
}

function finishingBranch(branch: FinishingBranch): string {
  return `${at(branch)}${after(branch.evidence)} ${status(branch.status)}`;
}

function status(status: FinishingBranch['status']): string {
  switch (status.kind) {
    case 'pending':
      return status.attempts === 0 ? 'pending' : `pending (${status.attempts})`;
    case 'unproven':
      return `unproven (${status.attempts})`;
    case 'damaged':
    case 'recording-damage':
      return `${status.kind} "${status.proof}"`;
    default:
      return status.kind;
  }
}

function at({ bqual, instance }: { readonly bqual: string; readonly instance: string | undefined }): string {
  return `${bqual}@${instance ?? '?'}`;
}

function describeReason(reason: Reason): string {
  return ` (${reason.code}: ${reason.message})`;
}

function presumed(state: State): string {
  const of = presumedIn(state);
  return of === undefined ? '' : `, presumed of the ${of}`;
}

function request(requestId: string): string {
  return requestId === '' ? '' : ` for ${requestId}`;
}

function list(items: readonly string[]): string {
  if (items.length > LISTED_MAX) {
    return `${items.length} branches`;
  }
  return items.length === 0 ? 'no branch' : items.join(', ');
}
