// Which states a power cut is made to leave: every subset of the unsynced changes when there are few, a seeded choice otherwise, and
// writes torn at sectors in any case.
import type { Roll } from './dice.ts';
import type { Fate, Pending, Tear } from './disk.ts';
import { sectorsOf } from './disk.ts';

type Loss = Map<number, 'lost' | Tear>;

/**
 * Up to `quota` fates of the unsynced changes, and no two that are written alike. The first is that all of it is there, the
 * second that nothing is. The change with the number `kept` is not lost, though it may be torn. The same arguments give the same fates
 * in the same order.
 */
export function* fatesOf(pending: readonly Pending[], quota: number, roll: Roll, kept?: number): Generator<Fate> {
  const seen = new Set<string>();
  const fresh = (fate: Loss): boolean => {
    if (kept !== undefined && fate.get(kept) === 'lost') {
      return false;
    }
    const key = JSON.stringify([...fate]);
    return !seen.has(key) && seen.size < quota && seen.add(key) !== undefined;
  };
  const count = pending.length;
  // Half of the quota is for torn writes.
  if (count < 31 && 2 ** count <= quota / 2) {
    for (let mask = 0; mask < 2 ** count; mask += 1) {
      const fate = losing(pending, (index) => (mask & (1 << index)) !== 0);
      if (fresh(fate)) {
        yield fate;
      }
    }
  } else {
    for (const fate of plainFates(pending)) {
      if (fresh(fate)) {
        yield fate;
      }
    }
  }
  // Dice may say the same again: a bound on the throws, for cuts that have fewer states than the quota.
  for (let thrown = 0; thrown < 4 * quota && seen.size < quota && count > 0; thrown += 1) {
    const fate = thrownFate(pending, roll);
    if (kept !== undefined && fate.get(kept) === 'lost') {
      fate.delete(kept);
    }
    if (fresh(fate)) {
      yield fate;
    }
  }
}

/** All, nothing, and what a disk does that keeps the order or loses or saves just one change. */
function* plainFates(pending: readonly Pending[]): Generator<Loss> {
  yield losing(pending, () => false);
  yield losing(pending, () => true);
  for (let at = 0; at < pending.length; at += 1) {
    yield losing(pending, (index) => index >= at);
    yield losing(pending, (index) => index === at);
    yield losing(pending, (index) => index !== at);
  }
}

function losing(pending: readonly Pending[], lost: (index: number) => boolean): Loss {
  return new Map(pending.flatMap(({ id }, index) => (lost(index) ? [[id, 'lost'] as const] : [])));
}

function thrownFate(pending: readonly Pending[], roll: Roll): Loss {
  const fate: Loss = new Map();
  // Some disks lose nearly everything, some nearly nothing.
  const lossOfEight = roll(8);
  const tearOfEight = roll(6);
  for (const { id, event } of pending) {
    if (roll(8) < lossOfEight) {
      fate.set(id, 'lost');
    } else if (event.kind === 'write' && roll(8) < tearOfEight) {
      fate.set(id, thrownTear(sectorsOf(event), roll));
    }
  }
  return fate;
}

function thrownTear(sectors: number, roll: Roll): Tear {
  const shape = roll(3);
  const at = roll(sectors + 1);
  const kept = Array.from({ length: sectors }, (_, index) => {
    if (shape === 0) {
      return index < at;
    }
    return shape === 1 ? index >= at : roll(2) === 0;
  });
  return { sectors: kept, grown: roll(2) === 0 };
}
