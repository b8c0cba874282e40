// Records as text: whatever is written can be read, and whatever cannot be read says why.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeLine, encodeLine } from '../../src/log/codec.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { NO_EVIDENCE, type Opening, openingEvidence, rowEvidence } from '../../src/xa/evidence.ts';
import { formatBqual, formatGtrid, parseLogIdentity } from '../../src/xa/xid.ts';
import { resourceName } from './records.ts';

const IDENTITY = parseLogIdentity('abcdefghij') as NonNullable<ReturnType<typeof parseLogIdentity>>;

const evidence = fc.oneof(
  fc.constant(NO_EVIDENCE),
  fc.constantFrom(rowEvidence, openingEvidence).map((of) => of('abcdefghijkl' as string as Opening)),
);
/** Any text, with line breaks, quotes, other scripts and lone surrogates: all of it may come from an engine or a person. */
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.constant('a\n"b\u2028\ud800'));
const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const gtrid = fc
  .record({ epoch: fc.nat(), sequence: fc.integer({ min: 0, max: 36 ** 10 - 1 }) })
  .map((parts) => formatGtrid({ identity: IDENTITY, ...parts }));
const resource = fc.constantFrom('accounts', 'o', 'orders-2').map(resourceName);
const bqual = fc
  .tuple(resource, fc.option(fc.integer({ min: 1, max: 9999 }), { nil: undefined }))
  .map(([name, n]) => formatBqual(name, n));
const wallTime = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);

const record: fc.Arbitrary<LogRecord> = fc.oneof(
  fc.record({ kind: fc.constant('epoch-started' as const), epoch: fc.nat(), version: text, wallTime }),
  fc.record(
    {
      kind: fc.constant('resource-registered' as const),
      resource,
      engine: text,
      engineIdentity: text,
      accepted: fc.record({ former: text, operator: text, reason: text, requestId: text, wallTime }),
    },
    { requiredKeys: ['kind', 'resource', 'engine', 'engineIdentity'] },
  ),
  fc.record({
    kind: fc.constant('decided' as const),
    gtrid,
    branches: fc.array(fc.record({ bqual, evidence })),
    requestId: text,
  }),
  fc.record({ kind: fc.constant('finished' as const), gtrid }),
  fc.record({
    kind: fc.constant('heuristic' as const),
    gtrid,
    decision: fc.constantFrom('commit' as const, 'rollback' as const),
    damage: fc.array(
      fc.record({ bqual, kind: fc.constantFrom('rolled-back', 'committed', 'unproven' as const), proof: text }),
    ),
  }),
  fc.record(
    {
      kind: fc.constant('operator-action' as const),
      gtrid,
      action: fc.constantFrom('rollback', 'branch-committed', 'branch-rolled-back', 'forget' as const),
      bqual,
      operator: text,
      reason: text,
      requestId: text,
      wallTime,
    },
    { requiredKeys: ['kind', 'gtrid', 'action', 'operator', 'reason', 'requestId', 'wallTime'] },
  ),
) as fc.Arbitrary<LogRecord>;

const DECIDED =
  '{"kind":"decided","gtrid":"abcdefghij.1.1","branches":[["accounts","row:abcdefghijkl"],["orders.2",""]],"requestId":"k"}';

describe('a record line', () => {
  test('reads back as the record that was written, and has no line break', () => {
    fc.assert(
      fc.property(sequence, record, (number, written) => {
        const line = encodeLine({ sequence: number, record: written });
        expect(line).not.toContain('\n');
        expect(decodeLine(line)).toEqual({ kind: 'ok', value: { sequence: number, record: written } });
      }),
      { numRuns: 2_000 },
    );
  });

  test('has the form that docs/log-format.md shows', () => {
    const decoded = decodeLine(`17 ${DECIDED}`);
    expect(decoded).toMatchObject({ kind: 'ok', value: { sequence: 17, record: { requestId: 'k' } } });
    expect(decoded.kind === 'ok' && encodeLine(decoded.value)).toBe(`17 ${DECIDED}`);
  });

  test('that is not one is never more than a sentence', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json().map((json) => `1 ${json}`),
        ),
        (line) => {
          const decoded = decodeLine(line);
          expect(decoded.kind === 'ok' || decoded.why.length > 0).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['', 'does not start with its sequence number'],
    [DECIDED, 'does not start with its sequence number'],
    [`0 ${DECIDED}`, 'does not start with its sequence number'],
    [`99999999999999999 ${DECIDED}`, 'does not start with its sequence number'],
    ['1 {"kind":"decided"', 'not JSON'],
    ['1 [1]', 'not a JSON object'],
    ['1 {}', 'no record kind'],
    ['1 {"kind":"finished"}', 'gtrid is not a text'],
    ['1 {"kind":"finished","gtrid":"abcdefghij.1.01"}', 'gtrid is outside its grammar'],
    [`1 ${DECIDED.replace('"row:abcdefghijkl"', '7')}`, 'a branch is not a pair'],
    [`1 ${DECIDED.replace('orders.2', 'Orders')}`, 'bqual is outside its grammar'],
  ])('%j is malformed', (line, why) => {
    expect(decodeLine(line)).toEqual({ kind: 'malformed', why: expect.stringContaining(why) });
  });

  test.each([
    ['1 {"kind":"teleported","gtrid":"abcdefghij.1.1"}', 'the record kind "teleported" is not known'],
    ['1 {"kind":"finished","gtrid":"abcdefghij.1.1","by":"x"}', 'the field "by" of a finished is not known'],
    [`1 ${DECIDED.replace('"row:abcdefghijkl"', '"row:abcdefghijkl",3')}`, 'a branch has more parts than are known'],
    ['1 {"kind":"heuristic","gtrid":"abcdefghij.1.1","decision":"maybe","damage":[]}', 'decision is none of'],
  ])('%j is of a newer version', (line, why) => {
    expect(decodeLine(line)).toEqual({ kind: 'newer', why: expect.stringContaining(why) });
  });
});
