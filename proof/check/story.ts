// A violation as the shortest story that leads to it, in words.
import { describeRecord, describeState } from '../../test/engine/trace.ts';
import { type Action, actionOf } from './action.ts';
import { Actions } from './actions.ts';
import { nameless, type Violation } from './explore.ts';
import { COORDINATOR, LOG } from './layout.ts';
import { MAIL } from './mail.ts';
import { MOVES, type Move } from './moves.ts';
import { NAMES } from './names.ts';
import { COMMIT_VARIANTS } from './people-actions.ts';
import type { Store } from './store.ts';
import { Symmetry } from './symmetry.ts';
import type { World } from './world.ts';

const ALL_MOVES: readonly Move[] = Object.values(MOVES);
/** The store holds states under other names than the story needs: it is lived through once more, step by step. */
export function story(world: World, store: Store, violation: Violation, isFair = false): readonly string[] {
  const path: number[] = [];
  for (let state = violation.state; state !== -1; state = store.parent(state)) {
    path.unshift(state);
  }
  const symmetry = new Symmetry(world);
  const actions = new Actions(world);
  const lines: string[] = [];
  let told = violation.problem;
  const here = new Int32Array(world.words.length);
  const wanted = new Int32Array(world.words.length);
  const canonical = new Int32Array(world.words.length);
  const kept = new Int32Array(world.words.length);
  const first = path.shift() ?? 0;
  store.read(first, here);
  lines.push(...change(world, undefined, here));
  for (const state of path) {
    store.read(state, wanted);
    let taken = -1;
    actions.successors(here, isFair, (action) => {
      if (world.problem === undefined) {
        world.dropDeadReports();
      }
      canonical.set(world.words);
      symmetry.canonize(canonical);
      if (taken === -1 && world.problem === undefined && canonical.every((word, index) => word === wanted[index])) {
        taken = action;
        kept.set(world.words);
      }
    });
    lines.push(`${words(actionOf(taken))}`, ...change(world, here, kept));
    here.set(kept);
  }
  if (violation.action >= 0) {
    let isTold = false;
    // The same problem as the search met, under the names of this story.
    actions.successors(here, isFair, (action) => {
      const problem = world.problem ?? world.stateProblem();
      if (!isTold && problem !== undefined && nameless(problem) === nameless(violation.problem)) {
        isTold = true;
        told = problem;
        kept.set(world.words);
        lines.push(`${words(actionOf(action))}`);
      }
    });
    lines.push(...change(world, here, kept));
  }
  return [...lines, `→ ${told}`];
}

function words({ kind, branch, instance, detail }: Action): string {
  const name = instance === 0 ? NAMES[branch] : `${NAMES[branch]}, its second instance,`;
  switch (kind) {
    case 'move':
      return `participant ${name} ${ALL_MOVES[detail]?.name}`;
    case 'call':
      return `participant ${name} hears: ${MAIL[detail]?.slice(5)}`;
    case 'call unheard':
      return `participant ${name} hears: ${MAIL[detail]?.slice(5)}; its engine carries it out, and the participant does not hear so`;
    case 'looks':
      return `somebody asks how it ended, and the engine of ${name} is asked`;
    case 'swept':
      return `participant ${name} still finds its marker row`;
    case 'marker goes':
      return `the marker row of ${name} is deleted`;
    case 'report':
      return `the coordinator hears from ${name}: ${MAIL[detail]}`;
    case 'commit':
      return `the client asks for a commit, ${COMMIT_VARIANTS[detail as 0]}`;
    case 'commit again':
      return 'the client asks for the commit again';
    case 'rollback':
      return 'the client asks for a rollback';
    case 'rollback-only':
      return 'the client marks it rollback-only';
    case 'client lost':
      return 'the client vanishes';
    case 'enlist':
      return `the client enlists ${name}`;
    case 'deadline':
      return 'the deadline passes';
    case 'no answer':
      return `the coordinator gives up waiting for ${name}'s answer`;
    case 'not yet':
      return `${name} answers: ${detail === 0 ? 'not yet' : 'unknown'}`;
    case 'rerouted':
      return `whom the call of ${name} is for is away: it goes to another instance, or to nobody`;
    case 'retry':
      return `the coordinator's retry for ${name} is due`;
    case 'ask again':
      return `${name} is to be asked for its vote again`;
    case 'written':
      return 'the oldest record that is being written becomes durable';
    case 'force failed':
      return `the force fails; ${detail === 0 ? 'nothing of it' : 'it'} is on the disk`;
    case 'crash':
      return `the coordinator stops and starts again; of what it was writing, ${detail} records are on the disk`;
    case 'evicted':
      return 'the completed transaction leaves the coordinator’s memory';
    case 'operator rolls back':
      return 'an operator asks for a rollback';
    case 'operator vouches':
      return `an operator vouches that ${name} is ${detail === 1 ? 'committed' : 'rolled back'}`;
  }
}

function change(world: World, before: Int32Array | undefined, after: Int32Array): readonly string[] {
  const lines: string[] = [];
  if (before?.[COORDINATOR] !== after[COORDINATOR]) {
    const { state } = world.coordinators.facts(after[COORDINATOR] ?? 0);
    lines.push(`    coordinator: ${state === undefined ? 'holds no such transaction' : describeState(state)}`);
  }
  if (before !== undefined && before[LOG] !== after[LOG]) {
    const { durable, writing } = world.logs.content(after[LOG] ?? 0);
    const list = (records: typeof durable): string => records.map(describeRecord).join('; ') || 'nothing';
    lines.push(`    log: ${list(durable)}${writing.length === 0 ? '' : `; being written: ${list(writing)}`}`);
  }
  return lines;
}
