// Compiles src/ to dist/, anew: what was deleted from the one is not left in the other.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runNode, SetupError } from './run-node.mjs';
import { prepare, ROOT } from './setup.mjs';

export const DIST = join(ROOT, 'dist');
/** Of `import … from`, `export … from` and `import()`, also within types. */
export const SPECIFIER = /(^(?:import|export)\b[^;'"()]*?\bfrom\s*|^import\s*|\bimport\(\s*)(['"])([^'"]+)\2/gm;

/** @throws {SetupError} src/ does not compile; the compiler has said why. */
export async function build() {
  const node = await prepare();
  await rm(DIST, { recursive: true, force: true });
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const code = await runNode(node, [compiler, '-p', join(ROOT, 'tsconfig.build.json')], { keepGoing: true });
  if (code !== 0) {
    throw new SetupError('src/ does not compile, so nothing is built: mend what the compiler names above.');
  }
  for (const name of await readdir(DIST, { recursive: true })) {
    if (name.endsWith('.d.ts')) {
      await nameCompiled(join(DIST, name));
    }
  }
}

/** In types the compiler leaves the names of the sources. */
async function nameCompiled(file) {
  const text = await readFile(file, 'utf8');
  const named = text.replace(SPECIFIER, (whole, before, quote, specifier) =>
    specifier.startsWith('.') ? `${before}${quote}${specifier.replace(/\.ts$/, '.js')}${quote}` : whole,
  );
  await writeFile(file, named);
}
