// The test suite: real servers on a machine with two cores, so few workers and patient limits.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';

const ROOT = import.meta.dirname;
const ENGINES = resolve(ROOT, 'test/support/engines.ts');

/** Without databases the files that start one are left out: their hooks would fail before a test could be skipped. */
function withEngines(): readonly string[] {
  const known = new Map<string, boolean>();
  const uses = (file: string): boolean => {
    const before = known.get(file);
    if (before !== undefined || !existsSync(file)) {
      return before ?? false;
    }
    known.set(file, file === ENGINES);
    const imports = [...readFileSync(file, 'utf8').matchAll(/^(?:import|export)(?! type)[^;]*? from '(\.[^']+)'/gm)];
    const result = file === ENGINES || imports.some(([, path = '']) => uses(resolve(dirname(file), path)));
    known.set(file, result);
    return result;
  };
  return readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .map((name) => join(ROOT, 'test', name))
    .filter((file) => file.endsWith('.test.ts') && uses(file))
    .map((file) => relative(ROOT, file));
}

const exclude = process.env['CONCORDAT_TEST_ENGINES'] === 'off' ? withEngines() : [];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...exclude],
    globalSetup: ['test/support/global-setup.ts'],
    // Processes, not threads: a server belongs to the process that started it and dies with it.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    retry: 0,
    allowOnly: process.env['CI'] !== 'true',
  },
});
