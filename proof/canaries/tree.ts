// A copy of the checkout, in which bugs are planted one after the other. The checkout itself is never touched.
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Canary, patched } from './canary.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** What the proofs and the tests read. */
const COPIED = ['src', 'proof', 'proto', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'] as const;

/** Makes the copy. */
export function copyCheckout(directory: string): void {
  mkdirSync(directory);
  for (const name of COPIED) {
    cpSync(join(ROOT, name), join(directory, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
}

/** Breaks the copy, until what is returned is disposed of. @throws {OutOfDate} nothing was changed. */
export function plant({ patches }: Pick<Canary, 'patches'>, directory: string): Disposable {
  const before = new Map<string, string>();
  const after = new Map<string, string>();
  for (const patch of patches) {
    const path = join(directory, patch.file);
    const source = after.get(path) ?? readFileSync(path, 'utf8');
    if (!before.has(path)) {
      before.set(path, source);
    }
    after.set(path, patched(source, patch));
  }
  writeAll(after);
  return { [Symbol.dispose]: () => writeAll(before) };
}

function writeAll(sources: ReadonlyMap<string, string>): void {
  for (const [path, source] of sources) {
    writeFileSync(path, source);
  }
}
