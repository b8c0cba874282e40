// Fills packages/client before it is packed: of the compiled source what the client loads, its types, and the licence (ADR 21).
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build, DIST, SPECIFIER } from './compile.mjs';
import { orComplain, SetupError } from './run-node.mjs';
import { ROOT } from './setup.mjs';

const PACKAGE = join(ROOT, 'packages', 'client');
const TARGET = join(PACKAGE, 'dist');

await orComplain(async () => {
  await build();
  rmSync(TARGET, { recursive: true, force: true });
  const { exports, dependencies, peerDependencies } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  const entries = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.import.default]));
  const known = new Set(Object.keys({ ...dependencies, ...peerDependencies }));
  for (const entry of entries) {
    const file = join(DIST, relative('dist', entry));
    copyWithImports(file, '.js', known);
    copyWithImports(file.replace(/\.js$/, '.d.ts'), '.d.ts', known);
    writeTypesForRequire(join(TARGET, relative('dist', entry)));
  }
  for (const name of ['LICENSE', 'CHANGELOG.md']) {
    cpSync(join(ROOT, name), join(PACKAGE, name));
  }
});

/** Copies `file` and everything that it imports, with its source map; `ending` says whether that is code or types. */
function copyWithImports(file, ending, known, copied = new Set()) {
  if (copied.has(file)) {
    return;
  }
  copied.add(file);
  for (const [, , , specifier] of readFileSync(file, 'utf8').matchAll(SPECIFIER)) {
    if (specifier.startsWith('.')) {
      copyWithImports(resolve(dirname(file), specifier).replace(/\.js$/, ending), ending, known, copied);
    } else {
      checkKnown(specifier, file, known);
    }
  }
  const target = join(TARGET, relative(DIST, file));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(file, target);
  if (existsSync(`${file}.map`)) {
    cpSync(`${file}.map`, `${target}.map`);
  }
}

/** What an application has not installed must not be imported, nor its types. */
function checkKnown(specifier, file, known) {
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (!name.startsWith('node:') && !known.has(name)) {
    throw new SetupError(`${relative(ROOT, file)} imports ${name}, which packages/client/package.json does not name.`);
  }
}

/**
 * The types that a CommonJS file of TypeScript is given: `require` loads the same modules as `import` does, so they are the same types,
 * said in a form that every TypeScript since 5.4 takes.
 */
function writeTypesForRequire(entry) {
  const types = entry.replace(/\.js$/, '.d.ts');
  const names = [...readFileSync(types, 'utf8').matchAll(/^export (type )?\{([^}]*)\} from '([^']+)'/gms)].flatMap(
    ([, isType, list, from]) =>
      list
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== '')
        .map((word) => ({
          name: word.replace(/^type /, ''),
          isType: isType !== undefined || word.startsWith('type '),
          from,
        })),
  );
  const onlyTypes = names.filter(({ isType }) => isType).map(({ name }) => name);
  const values = names
    .filter(({ isType }) => !isType)
    .flatMap(({ name, from }) => {
      const declared = readFileSync(resolve(dirname(types), from.replace(/\.js$/, '.d.ts')), 'utf8');
      const isClass = new RegExp(`^export declare (abstract )?class ${name}\\b`, 'm').test(declared);
      return [
        `export declare const ${name}: typeof module.${name};`,
        ...(isClass ? [`export type ${name} = module.${name};`] : []),
      ];
    });
  const from = `'./${relative(dirname(entry), entry)}' with { 'resolution-mode': 'import' }`;
  const lines = [
    '// What `require` loads is the module that `import` loads.',
    `import type * as module from ${from};`,
    `export type { ${onlyTypes.join(', ')} } from ${from};`,
    ...values,
  ];
  writeFileSync(entry.replace(/\.js$/, '.d.cts'), `${lines.join('\n')}\n`);
}
