// Every error has one exit code, and the codes that runbooks rely on stay what they are.
import { expect, it } from 'vitest';
import { EXIT_MEANINGS, exitOf } from '../../src/cli/run/exit-codes.ts';
import { CATALOGUE, type ErrorCode, EXIT } from '../../src/xa/errors.ts';

it.each<[ErrorCode, number]>([
  ['TXN_NOT_FOUND', 3],
  ['OUTCOME_EXPIRED', 3],
  ['TXN_STATE', 4],
  ['TXN_DECIDED', 4],
  ['RESOLUTION_CONTRADICTS', 4],
  ['VERSION_CONFLICT', 4],
  ['REQUEST_ID_REUSED', 4],
  ['PROTOCOL', 4],
  ['RESOURCE_IDENTITY', 5],
  ['NOT_OWNER', 5],
  ['CONNECTION_LOST', 6],
  ['DRAINING', 6],
  ['DEADLINE', 6],
  ['LIMIT_DISK', 6],
  ['OUTCOME_UNKNOWN', 7],
  ['HEURISTIC_OUTCOME', 8],
  ['LOG_DAMAGED', 9],
  ['LOG_FOREIGN', 9],
  ['LOG_NEWER', 9],
  ['EPOCH_STALE', 9],
  ['LOG_LOCKED', 11],
  ['LOG_FAILED', 12],
  ['FIELD_INVALID', 2],
  ['CONFIG_INVALID', 2],
  ['INTERNAL', 1],
])('%s ends the process with %d', (code, exit) => {
  expect(exitOf(code)).toBe(exit);
});

it('no error of the catalogue ends the process as if nothing had happened', () => {
  for (const code of Object.keys(CATALOGUE) as ErrorCode[]) {
    expect(exitOf(code), code).not.toBe(EXIT.ok);
  }
});

it('the help explains every exit code once', () => {
  const explained = EXIT_MEANINGS.map(([code]) => code);
  expect(explained).toEqual([...new Set(Object.values(EXIT))].sort((left, right) => left - right));
});
