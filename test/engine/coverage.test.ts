// The scripts take every branch of the engine's code: a rule without a script does not pass.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scriptCoverage } from '../support/script-coverage.ts';

test('every branch of the engine is taken by a script', { timeout: 60_000 }, () => {
  const { files, untaken } = scriptCoverage(join(import.meta.dirname, 'run-scripts.ts'), '/src/coordinator/engine/');
  expect(files).toBeGreaterThan(10);
  expect(untaken).toEqual([]);
});
