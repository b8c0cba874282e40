// Heartbeats: a peer that is silent for too many of them is given up, and one that says anything is not.
import { expect, test } from 'vitest';
import { Pulse } from '../../src/lib/pulse.ts';
import { ManualClock } from '../participants/manual-clock.ts';

function start(): { readonly clock: ManualClock; readonly pulse: Pulse; readonly events: string[] } {
  const clock = new ManualClock();
  const events: string[] = [];
  const pulse = new Pulse({
    clock,
    intervalMs: 1_000,
    beat: () => events.push('beat'),
    onSilence: () => events.push('silence'),
  });
  return { clock, pulse, events };
}

test('a peer that says nothing is given up after three intervals, and hears no heartbeat after that', () => {
  const { clock, events } = start();
  clock.advance(3_000);
  expect(events).toEqual(['beat', 'beat', 'beat']);
  clock.advance(10_000);
  expect(events).toEqual(['beat', 'beat', 'beat', 'silence']);
  expect(clock.delays()).toEqual([]);
});

test('every word of the peer begins the count anew', () => {
  const { clock, pulse, events } = start();
  for (let seconds = 0; seconds < 20; seconds++) {
    clock.advance(1_000);
    pulse.heard();
  }
  expect(events).toEqual(Array(20).fill('beat'));
  pulse.stop();
  expect(clock.delays()).toEqual([]);
});
