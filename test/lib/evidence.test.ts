// The mark of an opening, and the evidence made of it: one spelling, and nothing else passes for it.
import { expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import {
  formatEvidence,
  formatRow,
  newOpening,
  openingOf,
  parseEvidence,
  parseOpening,
  parseRow,
  rowEvidence,
} from '../../src/xa/evidence.ts';
import { parseXid } from '../../src/xa/xid.ts';

const xid = parseXid('aaaaaaaaaa.1.z:accounts.2');

it('evidence of a row tells its opening', () => {
  const opening = newOpening(systemRandom);
  expect(openingOf(rowEvidence(opening))).toBe(opening);
  expect(newOpening(systemRandom)).not.toBe(opening);
});

it.each([
  'marker',
  'xid8:762',
  'row:',
  'row:abc',
  'row:ABCDEFGHIJKL',
  'row:abcdefghijk1',
  'row:abcdefghijklm',
  ' row:abcdefghijkl',
])('%j tells no opening: nothing may be concluded from it (field P1 R7)', (text) =>
  expect(parseEvidence(text)).toBeUndefined(),
);

it.each(['', 'row:abcdefghijkl', 'opening:abcdefghijkl'])('the evidence %j is spelled in one way', (text) => {
  const evidence = parseEvidence(text);
  expect(evidence === undefined ? undefined : formatEvidence(evidence)).toBe(text);
});

it('a row is spelled in one way', () => {
  const opening = parseOpening('abcdefghijkl');
  if (xid === undefined || opening === undefined) {
    throw new Error('they are in the grammar');
  }
  const text = formatRow({ ...xid, opening });
  expect(text).toBe('aaaaaaaaaa.1.z:accounts.2:abcdefghijkl');
  expect(parseRow(text)).toEqual({ ...xid, opening });
  for (const other of ['', ':', 'aaaaaaaaaa.1.z:accounts.2', `${text}:abcdefghijkl`, `x${text}`, `${text}m`]) {
    expect(parseRow(other)).toBeUndefined();
  }
});
