// Which branches of an engine's code its scripts leave untaken, by V8's own count of every block. Node only strips the types, so that
// its offsets are those of the source.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Script {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
  }[];
}

/** The end of a switch over a union: the compiler proves that nothing gets there. And cases that only a bug of the driver leads to. */
const UNREACHABLE = /^(default|case '[^']+'):\s+(case '[^']+':\s+)*return (unreachable|impossible)\(/;

/** @param engine the folder, as it stands in the files' addresses. */
export function scriptCoverage(
  runScripts: string,
  engine: string,
): { readonly files: number; readonly untaken: readonly string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'concordat-coverage-'));
  try {
    // Of functions that come from the cache of compiled code V8 counts less exactly.
    const env = { ...process.env, NODE_V8_COVERAGE: folder, NODE_OPTIONS: '', NODE_DISABLE_COMPILE_CACHE: '1' };
    execFileSync(process.execPath, [runScripts], { env, stdio: 'pipe' });
    const scripts = readdirSync(folder).flatMap((file) => {
      const { result } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { result: readonly Script[] };
      return result.filter(({ url }) => url.includes(engine));
    });
    return { files: scripts.length, untaken: scripts.flatMap(untaken) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function untaken({ url, functions }: Script): readonly string[] {
  const source = readFileSync(fileURLToPath(url), 'utf8');
  return functions
    .flatMap(({ ranges }) => ranges)
    .filter(({ count, startOffset }) => count === 0 && !UNREACHABLE.test(source.slice(startOffset)))
    .map(({ startOffset }) => {
      const line = source.slice(0, startOffset).split('\n').length;
      return `${basename(url)}:${line} ${source.slice(startOffset, startOffset + 60)}`;
    });
}
