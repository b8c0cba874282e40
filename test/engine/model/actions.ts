// What can happen next in the world: a kind and a number that picks among what there is, so that a failure shrinks to a short story.
import type { Event } from '../../../src/coordinator/engine/event.ts';
import { formatBqual, type ResourceName } from '../../../src/xa/xid.ts';
import type { Life } from './participants.ts';
import { REASON, type World } from './world.ts';

export interface Action {
  readonly kind: keyof typeof ACTIONS;
  readonly pick: number;
}

const NAMES = ['a', 'b', 'c'].map((name) => formatBqual(name as string as ResourceName));

export const ACTIONS = {
  /** The client's first statement at a resource. */
  open: (world: World, pick: number) => {
    const bqual = NAMES[pick % NAMES.length];
    if (bqual !== undefined && !world.judges.commitRequested && firstLife(world, pick) === undefined) {
      const life = world.participants.open(bqual, pick % 5 !== 0);
      world.judges.claimed.add(life);
      world.inbox.push({ kind: 'branch-opened', bqual, instance: life.instance, evidence: life.evidence });
    }
  },
  /** A repeated first statement reaches another instance, before or after the end: work that nobody claims. */
  'open-again': (world: World, pick: number) => {
    const bqual = NAMES[pick % NAMES.length];
    if (bqual !== undefined && world.participants.lives.filter((life) => life.bqual === bqual).length < 3) {
      if (firstLife(world, pick) !== undefined && world.state !== undefined) {
        const { instance, evidence } = world.participants.open(bqual, pick % 5 !== 0);
        world.inbox.push({ kind: 'branch-opened', bqual, instance, evidence });
      }
    }
  },
  enlist: (world: World, pick: number) => {
    const life = firstLife(world, pick);
    if (life !== undefined) {
      world.judges.enlisted.add(life);
      world.apply({ kind: 'enlist-requested', bqual: life.bqual, instance: life.instance });
    }
  },
  /** A last statement prepares and votes unasked. */
  last: (world: World, pick: number) => {
    const life = some(world.participants.lives, pick);
    if (life?.status === 'active') {
      const vote = world.participants.prepare(life.bqual, life.instance);
      world.inbox.push({ kind: 'vote', bqual: life.bqual, instance: life.instance, vote });
    }
  },
  commit: (world: World, pick: number) => {
    const forgotten = firstLife(world, pick);
    const { claimed: named, enlisted, commitRequested } = world.judges;
    if (pick % 11 === 0 && forgotten !== undefined && !commitRequested && !enlisted.has(forgotten)) {
      named.delete(forgotten); // The client has lost sight of a branch.
    }
    const claimed = [...named].map(({ bqual, instance }) => ({ bqual, instance }));
    world.judges.commitRequested = true;
    world.apply({ kind: 'commit-requested', claimed, requestId: 'r1' });
  },
  rollback: (world: World) => {
    world.apply({ kind: 'rollback-requested', claimed: [], reason: REASON });
  },
  end: (world: World, pick: number) => {
    const kinds = ['deadline', 'client-lost', 'rollback-only-requested'] as const;
    world.apply({ kind: kinds[pick % kinds.length] ?? 'deadline', reason: REASON });
  },
  /** A statement fails: the participant votes no by itself. */
  fail: (world: World, pick: number) => {
    const life = some(world.participants.lives, pick);
    if (life?.status === 'active') {
      life.status = 'rolled-back';
      const vote = { kind: 'rollback', reason: REASON } as const;
      world.inbox.push({ kind: 'vote', bqual: life.bqual, instance: life.instance, vote });
    }
  },
  'participant-dies': (world: World, pick: number) => {
    world.participants.crash(some(world.participants.lives, pick)?.instance ?? '');
  },
  hear: (world: World, pick: number) => hear(world, pick, true),
  'hear-and-keep': (world: World, pick: number) => hear(world, pick, false),
  lose: (world: World, pick: number) => {
    const [lost] = world.inbox.splice(pick % Math.max(1, world.inbox.length), 1);
    if (lost?.kind === 'branch-result') {
      world.giveUp(lost.bqual, lost.verb);
    } else if (world.state?.kind === 'one-phase' && (lost?.kind === 'one-phase-evidence' || lost?.kind === 'vote')) {
      world.giveUp(lost.bqual, 'commit-one-phase'); // It may have been the answer.
    }
  },
  call: (world: World, pick: number) => call(world, pick, true),
  'call-and-keep': (world: World, pick: number) => call(world, pick, false),
  'lose-call': (world: World, pick: number) => {
    const [lost] = world.calls.splice(pick % Math.max(1, world.calls.length), 1);
    if (lost?.kind === 'finish') {
      world.giveUp(lost.bqual, lost.verb);
    }
  },
  retry: (world: World, pick: number) => {
    const bqual = some([...world.retries], pick);
    if (bqual !== undefined) {
      world.retries.delete(bqual);
      world.apply({ kind: 'retry-due', bqual });
    }
  },
  /** The driver asks another instance for a vote that is missing. */
  'ask-again': (world: World, pick: number) => {
    const life = some(world.participants.lives, pick);
    if (life !== undefined && world.state?.kind === 'preparing') {
      const instance = pick % 2 === 0 ? life.instance : `${life.bqual}-sidecar`;
      world.calls.push({ kind: 'prepare', bqual: life.bqual, instance, asked: false });
    }
  },
  reconcile: (world: World, pick: number) => {
    const life = some(world.participants.lives, pick);
    if (life?.status === 'prepared') {
      world.reconcile(life);
    }
  },
  write: (world: World) => world.write(),
  crash: (world: World, pick: number) => world.crash(pick % (world.writing.length + 1)),
  'by-hand': (world: World, pick: number) => {
    const life = some(world.participants.lives, pick);
    if (life?.status === 'prepared') {
      life.status = pick % 2 === 0 ? 'committed' : 'rolled-back';
      life.byHand = true;
    }
  },
  'lose-evidence': (world: World, pick: number) => {
    const lost = some(world.participants.lives, pick);
    if (lost !== undefined) {
      world.participants.forget(lost.evidence);
    }
  },
  'operator-rollback': (world: World) => world.operate({ kind: 'rollback' }),
  'operator-vouch': (world: World, pick: number) => {
    const bqual = NAMES[pick % NAMES.length];
    if (bqual !== undefined) {
      world.operate({ kind: 'branch', bqual, end: pick % 2 === 0 ? 'committed' : 'rolled-back' });
    }
  },
} as const satisfies Record<string, (world: World, pick: number) => void>;

/** Faults stop: everything is delivered, retried and reconciled until nothing moves any more. */
export function settle(world: World): void {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    while (world.writing.length > 0) {
      world.write();
    }
    while (world.inbox.length > 0) {
      hear(world, 0, true);
    }
    while (world.calls.length > 0) {
      call(world, 0, true);
    }
    for (const bqual of [...world.retries]) {
      world.retries.delete(bqual);
      world.apply({ kind: 'retry-due', bqual });
    }
    const isIdle = world.inbox.length === 0 && world.calls.length === 0;
    if (isIdle && (world.state?.kind === 'active' || world.state?.kind === 'preparing')) {
      world.apply({ kind: 'deadline', reason: REASON });
    }
    for (const life of world.participants.lives) {
      if (life.status === 'prepared') {
        world.reconcile(life);
      } else if (life.status === 'active') {
        ACTIONS.fail(world, world.participants.lives.indexOf(life)); // Its own deadline.
      }
    }
  }
}

const ROUNDS_MAX = 16;

function hear(world: World, pick: number, isTaken: boolean): void {
  const index = pick % Math.max(1, world.inbox.length);
  const event = world.inbox[index];
  if (event !== undefined) {
    if (isTaken) {
      world.inbox.splice(index, 1);
    }
    noteDamage(world, event);
    world.apply(event);
  }
}

/** When the engine hears that a branch was committed which it rolls back, that must end up in the log. */
function noteDamage({ state, judges }: World, event: Event): void {
  const isRollback = state?.kind === 'rolling-back' || (state?.kind === 'completed' && state.decision === 'rollback');
  if (isRollback && event.kind === 'branch-result' && event.verb === 'rollback') {
    judges.damageProven ||= event.result.kind === 'done-otherwise';
  }
}

function call(world: World, pick: number, isTaken: boolean): void {
  const index = pick % Math.max(1, world.calls.length);
  const next = world.calls[index];
  if (next !== undefined) {
    if (isTaken) {
      world.calls.splice(index, 1);
    }
    // Its own instance answers, or another one of the resource if that is gone; phase two may be told to any.
    const mayMove = next.kind === 'finish' && next.verb !== 'commit-one-phase' && pick % 7 === 0;
    const isElsewhere = next.instance === undefined || world.participants.isDead(next.instance) || mayMove;
    world.carryOut(next, isElsewhere ? `${next.bqual}-sidecar` : next.instance);
  }
}

function firstLife(world: World, pick: number): Life | undefined {
  return world.participants.lives.find((life) => life.bqual === NAMES[pick % NAMES.length]);
}

function some<T>(list: readonly T[], pick: number): T | undefined {
  return list[pick % Math.max(1, list.length)];
}
