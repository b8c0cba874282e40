// The scripts take every branch of the engine's code: a rule without a script does not pass.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

interface Script {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
  }[];
}

const ENGINE = '/src/coordinator/engine/';
/** The end of a switch over a union: the compiler proves that nothing gets there. */
const UNREACHABLE = /^default:\s+return unreachable\(/;

/** V8's own count of every block. Node only strips the types, so its offsets are those of the source. */
function coverage(): readonly Script[] {
  const folder = mkdtempSync(join(tmpdir(), 'concordat-coverage-'));
  try {
    const env = { ...process.env, NODE_V8_COVERAGE: folder, NODE_OPTIONS: '' };
    execFileSync(process.execPath, [join(import.meta.dirname, 'run-scripts.ts')], { env, stdio: 'pipe' });
    return readdirSync(folder).flatMap((file) => {
      const { result } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { result: readonly Script[] };
      return result.filter(({ url }) => url.includes(ENGINE));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function untaken({ url, functions }: Script): readonly string[] {
  const source = readFileSync(fileURLToPath(url), 'utf8');
  return functions
    .flatMap(({ ranges }) => ranges)
    .filter(
      ({ count, startOffset, endOffset }) => count === 0 && !UNREACHABLE.test(source.slice(startOffset, endOffset)),
    )
    .map(({ startOffset }) => {
      const line = source.slice(0, startOffset).split('\n').length;
      return `${basename(url)}:${line} ${source.slice(startOffset, startOffset + 60)}`;
    });
}

test('every branch of the engine is taken by a script', { timeout: 60_000 }, () => {
  const scripts = coverage();
  expect(scripts.length).toBeGreaterThan(10);
  expect(scripts.flatMap(untaken)).toEqual([]);
});
