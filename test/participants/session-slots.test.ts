// Turns at the sessions that branches may use at once.
import { describe, expect, it } from 'vitest';
import { SessionSlots } from '../../src/participants/runtime/branches/session-slots.ts';
import { SESSIONS_WAITED_FOR_MAX } from '../../src/xa/limits.ts';
import { ManualClock } from './manual-clock.ts';

/** What became of a claim so far. */
function watched(turn: Promise<void> | undefined): { state: string } {
  const seen = { state: turn === undefined ? 'free' : 'waits' };
  turn?.then(
    () => {
      seen.state = 'turn';
    },
    (error: { readonly reason: { readonly code: string } }) => {
      seen.state = error.reason.code;
    },
  );
  return seen;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('sessions for branches', () => {
  it('are had at once up to their number, and then in turn (field P19)', async () => {
    const slots = new SessionSlots(new ManualClock(), 2);
    const [one, two, three, four] = [slots.take(), slots.take(), slots.take(), slots.take()];
    const seen = [one, two, three, four].map(({ turn }) => watched(turn));
    expect(seen.map(({ state }) => state)).toEqual(['free', 'free', 'waits', 'waits']);
    two.end();
    await settle();
    expect(seen.map(({ state }) => state)).toEqual(['free', 'free', 'turn', 'waits']);
    three.end();
    one.end();
    await settle();
    expect(seen[3]?.state).toBe('turn');
    // One is in use: the other is free, and only that one.
    expect(slots.take().turn).toBeUndefined();
    expect(slots.take().turn).toBeDefined();
  });

  it('are waited for as long as is said, and who gives up or is too late has used none (field P19)', async () => {
    const clock = new ManualClock();
    const slots = new SessionSlots(clock, 1);
    const [one, late, gone] = [slots.take(), slots.take(), slots.take()];
    const seen = [late, gone].map(({ turn }) => watched(turn));
    gone.giveUp();
    clock.advance(10_000);
    await settle();
    expect(seen.map(({ state }) => state)).toEqual(['LIMIT_CONNECTIONS', 'LIMIT_CONNECTIONS']);
    late.end();
    gone.end();
    expect(slots.take().turn).toBeDefined();
    const next = slots.take();
    one.end();
    next.giveUp();
    expect(clock.delays()).toEqual([]);
  });

  it('are waited for by a bounded number (field P19)', () => {
    const slots = new SessionSlots(new ManualClock(), 1);
    for (let n = 0; n < SESSIONS_WAITED_FOR_MAX; n++) {
      slots.take();
    }
    expect(slots.isFull).toBe(false);
    slots.take();
    expect(slots.isFull).toBe(true);
  });
});
