// docs/errors.md repeats the catalogue and the exit codes; this keeps them equal.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { CATALOGUE, EXIT, STATUS } from '../../src/xa/errors.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/errors.md'), 'utf8');

function rows(heading: string): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
}

test('the errors page lists exactly the catalogue, with status, retry and advice', () => {
  const written = rows('Reasons').map(([, code, status, retry, advice]) => [code, status, retry, advice]);
  const expected = Object.entries(CATALOGUE).map(([code, entry]) => [
    code,
    entry.status,
    entry.retry,
    entry.advice.replaceAll('`', ''),
  ]);
  expect(written).toEqual(expected);
});

test('the errors page lists exactly the exit codes', () => {
  const written = rows('Exit codes').map(([, number, name]) => [Number(number), name]);
  expect(written).toEqual(Object.entries(EXIT).map(([name, number]) => [number, name]));
});

test('every catalogue status is a gRPC status', () => {
  expect(Object.values(CATALOGUE).filter(({ status }) => !(status in STATUS))).toEqual([]);
});
