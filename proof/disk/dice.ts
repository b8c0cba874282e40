// Seeded dice: the same seed and the same questions give the same answers on every machine.

/** Answers a whole number from 0 to `sides` - 1. */
export type Roll = (sides: number) => number;

/** Mulberry32, a 32-bit generator: small, and good enough to choose what is tried. */
export function dice(seed: number): Roll {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * sides);
  };
}

/** A seed for a part of a run that does not depend on what the other parts asked. */
export function seedOf(seed: number, part: number): number {
  return (Math.imul(seed, 0x9e3779b1) ^ Math.imul(part + 1, 0x85ebca6b)) >>> 0;
}
