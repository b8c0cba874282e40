// Two sides of different versions: the highest protocol that both speak, or a sentence that says what to upgrade.
import { expect, it } from 'vitest';
import { agreedProtocol, requireProtocol } from '../../src/wire/protocol.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';

const range = (protocolLowest: number, protocolHighest: number) => ({ protocolLowest, protocolHighest });

it.each([
  [range(4, 4), range(4, 4), 4],
  [range(3, 6), range(4, 5), 5],
  [range(4, 5), range(3, 9), 5],
  [range(5, 7), range(2, 5), 5],
  [range(0, 4), range(4, 5), 4],
])('%j and %j speak %i', (theirs, ours, agreed) => expect(agreedProtocol('client', theirs, ours)).toBe(agreed));

it.each([
  [
    range(5, 7),
    range(3, 4),
    'this coordinator speaks protocols 3 to 4, the client protocols 5 to 7: upgrade the coordinator',
  ],
  [
    range(1, 2),
    range(3, 4),
    'this coordinator speaks protocols 3 to 4, the client protocols 1 to 2: upgrade the client',
  ],
  [range(0, 3), range(4, 4), 'this coordinator speaks protocol 4, the client protocol 3: upgrade the client'],
])('%j and %j have nothing in common, and it is said what to upgrade', (theirs, ours, sentence) =>
  expect(() => agreedProtocol('client', theirs, ours)).toThrow(new CoordinatorError('PROTOCOL', sentence)),
);

it.each([
  [
    0,
    'the coordinator has chosen none, as an older version does, this participant speaks protocols 4 to 5: upgrade the coordinator',
  ],
  [6, 'the coordinator has chosen protocol 6, this participant speaks protocols 4 to 5: upgrade the participant'],
])('the choice of protocol %i is refused by a peer that does not speak it', (chosen, sentence) => {
  expect(() => requireProtocol('participant', chosen, range(4, 5))).toThrow(new CoordinatorError('PROTOCOL', sentence));
  expect(() => requireProtocol('participant', 4, range(4, 5))).not.toThrow();
});
