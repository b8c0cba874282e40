// The frame of a batch against the driver's own messages.
import fc from 'fast-check';
import { serialize } from 'pg-protocol';
import { expect, test } from 'vitest';
import type { BatchStep } from '../../src/participants/postgres/protocol/batch.ts';
import { batchFrame } from '../../src/participants/postgres/protocol/frames.ts';

function asTheDriver(steps: readonly BatchStep[], dropped: readonly string[]): Buffer {
  return Buffer.concat([
    ...dropped.map((name) => serialize.close({ type: 'S', name })),
    ...steps.flatMap(({ text, values = [], types = [], name = '', isParsed = false, describe = false }) => [
      ...(isParsed ? [] : [serialize.parse({ name, text, types: [...types] })]),
      serialize.bind({ statement: name, values: [...values] }),
      ...(describe ? [serialize.describe({ type: 'P' })] : []),
      serialize.execute({}),
    ]),
    serialize.sync(),
  ]);
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', 'select 1', '😀', '\ud800', 'ü'.repeat(9_000)),
);
const value = fc.oneof(
  text,
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
);
const step = fc.record(
  {
    text,
    values: fc.array(value, { maxLength: 5 }),
    types: fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { maxLength: 5 }),
    name: fc.constantFrom('', 'concordat_1', 'concordat_23'),
    isParsed: fc.boolean(),
    describe: fc.boolean(),
  },
  { requiredKeys: ['text'] },
);

test('a batch is what the driver would have sent message by message', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 8 }),
      fc.array(fc.constantFrom('a', 'concordat_4'), { maxLength: 3 }),
      (steps, dropped) => {
        expect(batchFrame(steps, dropped).equals(asTheDriver(steps, dropped))).toBe(true);
      },
    ),
  );
});

test('a text of a megabyte fits, and small ones are right behind it', () => {
  const large: BatchStep = { text: 'ü'.repeat(1_000_000), values: ['😀'.repeat(300_000), Buffer.alloc(1_000_000, 7)] };
  for (const steps of [[large, large], [{ text: 'select 1' }]]) {
    expect(batchFrame(steps, []).equals(asTheDriver(steps, []))).toBe(true);
  }
});
