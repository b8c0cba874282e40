// `npm run verify`: everything that must hold before a change is shared. All checks run, also after one failed.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { orComplain, runNode } from './run-node.mjs';
import { prepare, ROOT } from './setup.mjs';

const MODULES = join(ROOT, 'node_modules');

// Biome colours its output, letter by letter, even where nobody can see colours.
const colors = process.stdout.isTTY ? [] : ['--colors=off'];

/** Checks without a run of the product; `.ci/run` counts each as one. */
const STATIC_CHECKS = [
  { name: 'format and lint', script: join(MODULES, '@biomejs', 'biome', 'bin', 'biome'), args: ['ci', ...colors, '.'] },
  { name: 'types', script: join(MODULES, 'typescript', 'bin', 'tsc'), args: ['--noEmit'] },
];
/**
 * What tries to break the product, each at the size that fits every change; `-- --help` of each tells its larger sizes. The same seeds
 * for every change: a change answers for what it breaks, and other seeds are looked for beside it.
 */
const PROOFS = [
  { name: 'crash states', script: join('proof', 'disk', 'main.ts'), args: ['crash-states'] },
  { name: 'checker', script: join('proof', 'check', 'main.ts'), args: ['--json'] },
  {
    name: 'simulator',
    script: join('proof', 'sim', 'main.ts'),
    args: ['--from', '1', '--seeds', '4000', '--minutes', '5', '--json'],
  },
  { name: 'canaries', script: join('proof', 'canaries', 'main.ts'), args: ['--share', canaryShare(), '--json'] },
  { name: 'chaos', script: join('proof', 'chaos', 'main.ts'), args: ['--seed', '1', '--kills', '150', '--json'] },
  // Every form once; it fails if the books do not balance, never for being slow.
  {
    name: 'bench',
    script: join('bench', 'bench.ts'),
    args: ['--rounds', '1', '--seconds', '1', '--clients', '8', '--count', '20'],
  },
  // Those without databases are among the tests.
  {
    name: 'bench, few rows',
    script: join('bench', 'scenarios', 'main.ts'),
    args: ['contention', '--rounds', '1', '--seconds', '0.5', '--clients', '4'],
  },
  {
    name: 'bench, mixes',
    script: join('bench', 'scenarios', 'main.ts'),
    args: ['mixes', '--rounds', '1', '--seconds', '0.5', '--clients', '4'],
  },
  {
    name: 'bench, long',
    script: join('bench', 'scenarios', 'main.ts'),
    args: ['long', '--minutes', '0.1', '--every', '2', '--clients', '4'],
  },
];
/**
 * All canaries take about five minutes, so a change plants a third of them. Its commit decides which: the same commit always the same
 * third, and every canary comes up every few changes. `npm run canaries` plants all.
 */
function canaryShare() {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' });
  const commit = /^[0-9a-f]{8}/.exec(stdout ?? '')?.[0] ?? '0';
  return `${(Number.parseInt(commit, 16) % 3) + 1}/3`;
}

/** Several times what the longest of them takes: one that hangs fails by name, and those after it still run. */
const WITHIN_MS = 20 * 60_000;
const TESTS = { name: 'tests', script: join(MODULES, 'vitest', 'vitest.mjs'), args: ['run'] };

await orComplain(async () => {
  const withoutTests = process.argv.includes('--no-tests');
  const node = await prepare();
  process.chdir(ROOT);
  const results = [];
  for (const { name, script, args } of [...STATIC_CHECKS, ...(withoutTests ? [] : [TESTS]), ...PROOFS]) {
    process.stdout.write(`\n── ${name}\n`);
    results.push({
      name,
      passed: (await runNode(node, [script, ...args], { keepGoing: true, withinMs: WITHIN_MS })) === 0,
    });
  }
  process.stdout.write('\n');
  for (const { name, passed } of results) {
    process.stdout.write(`${passed ? 'ok    ' : 'FAILED'} ${name}\n`);
  }
  process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
});
