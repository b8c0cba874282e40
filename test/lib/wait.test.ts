// Waits with an end: what ends them, and that nothing of them is left behind.
import { describe, expect, test } from 'vitest';
import { atMost, pause, within } from '../../src/lib/wait.ts';
import { ManualClock } from '../participants/manual-clock.ts';

const late = (): Error => new Error('late');

describe('within', () => {
  test('settles as what is waited for, and leaves no timer', async () => {
    const clock = new ManualClock();
    await expect(within(Promise.resolve(7), { clock, timeoutMs: 100 }, late)).resolves.toBe(7);
    await expect(within(Promise.reject(new Error('no')), { clock, timeoutMs: 100 }, late)).rejects.toThrow('no');
    expect(clock.delays()).toEqual([]);
  });

  test('is over when its time is, and does not hear what comes later', async () => {
    const clock = new ManualClock();
    const { promise, reject } = Promise.withResolvers<never>();
    const waiting = within(promise, { clock, timeoutMs: 100 }, late);
    clock.advance(100);
    await expect(waiting).rejects.toThrow('late');
    reject(new Error('nobody hears this'));
  });

  test('is over when its signal aborts, also before it began', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const never = new Promise<never>(() => undefined);
    const waiting = within(never, { clock, timeoutMs: 100, signal: stop.signal }, late);
    stop.abort('stopped');
    await expect(waiting).rejects.toBe('stopped');
    await expect(within(never, { clock, timeoutMs: 100, signal: stop.signal }, late)).rejects.toBe('stopped');
    expect(clock.delays()).toEqual([]);
  });
});

describe('atMost', () => {
  test('ends with what is waited for, either way, and leaves no timer', async () => {
    const clock = new ManualClock();
    await atMost(Promise.resolve(), { clock, timeoutMs: 100 });
    await atMost(Promise.reject(new Error('no')), { clock, timeoutMs: 100 });
    expect(clock.delays()).toEqual([]);
  });

  test('ends with its time', async () => {
    const clock = new ManualClock();
    const waiting = atMost(new Promise(() => undefined), { clock, timeoutMs: 100 });
    clock.advance(100);
    await waiting;
  });
});

test('a pause ends with its time, or with its signal', async () => {
  const clock = new ManualClock();
  const resting = pause(clock, 50);
  clock.advance(50);
  await resting;
  const stop = new AbortController();
  const stopped = pause(clock, 50, stop.signal);
  stop.abort('stopped');
  await expect(stopped).rejects.toBe('stopped');
  expect(clock.delays()).toEqual([]);
});
