// One name, one thing: what src exports has a name that no other file of src exports, so that a reader who meets it knows which it is. And
// what is exported is used elsewhere: the rest is a file's own business.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

/** The two halves of the protocol speak alike, of one transaction and of one branch, and neither imports the other. */
const ENGINES = ['src/coordinator/engine/', 'src/participants/engine/'];

/** What both adapters have, each for its databases, with the same meaning. */
const IN_BOTH_ADAPTERS = [
  ...['BRANCH_TABLE', 'EPOCH_TABLE'],
  ...['knownLogs', 'lostReason', 'openSession', 'preflight', 'raiseEpoch', 'readToken', 'showToken'],
];

/** What applications import, and what the generator of the codecs chooses from: who uses it is not in these folders. */
const FOR_OTHERS = ['src/client/index.ts', 'src/wire/encoding/reading.ts'];

const EXPORT = /^export (?:declare )?(?:abstract )?(?:async )?(?:class|interface|type|function\*?|const|let) (\w+)/gm;
const NAMED_IMPORT = /(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+'(\.[^']+)'/g;
/** `const { openEngine } = await import('./open-engine.ts')`, also for several files at once. */
const LATE_IMPORT = /\bimport\(\s*'(\.[^']+)'/g;

interface Source {
  readonly path: string;
  readonly text: string;
}

function sources(...folders: readonly string[]): readonly Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.m?ts$/.test(name) && !name.includes('node_modules'))
      .map((name) => join(folder, name))
      .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') })),
  );
}

function exportsOf({ text }: Source): readonly string[] {
  return [...text.matchAll(EXPORT)].map(([, name = '']) => name);
}

const HOUSE = sources('src').filter(({ path }) => !path.startsWith('src/gen/'));

test('an exported name is of one file alone', () => {
  const found = new Map<string, Set<string>>();
  for (const source of HOUSE) {
    const { path } = source;
    const place = ENGINES.some((engine) => path.startsWith(engine)) ? 'the engines' : path;
    for (const name of exportsOf(source)) {
      found.set(name, (found.get(name) ?? new Set()).add(place));
    }
  }
  const twice = [...found].filter(([, places]) => places.size > 1).map(([name]) => name);
  expect(twice.sort()).toEqual(IN_BOTH_ADAPTERS.toSorted());
});

test('what is exported is used by another file', () => {
  const used = new Map<string, Set<string>>();
  const late = new Map<string, string[]>();
  for (const { path, text } of sources('src', 'test', 'proof', 'bench', 'examples')) {
    const target = (specifier: string): string => normalize(join(dirname(path), specifier));
    for (const [, names = '', specifier = ''] of text.matchAll(NAMED_IMPORT)) {
      const known = used.get(target(specifier)) ?? new Set();
      used.set(target(specifier), known);
      for (const name of names.split(',')) {
        known.add(
          name
            .trim()
            .replace(/^type\s+/, '')
            .replace(/\s+as\s.*/, ''),
        );
      }
    }
    for (const [, specifier = ''] of text.matchAll(LATE_IMPORT)) {
      late.set(target(specifier), [...(late.get(target(specifier)) ?? []), text]);
    }
  }
  const unused = HOUSE.filter(({ path }) => !FOR_OTHERS.includes(path)).flatMap((source) => {
    const isLate = (name: string): boolean =>
      (late.get(source.path) ?? []).some((text) => new RegExp(`\\b${name}\\b`).test(text));
    return exportsOf(source)
      .filter((name) => !used.get(source.path)?.has(name) && !isLate(name))
      .map((name) => `${source.path}: ${name}`);
  });
  expect(unused).toEqual([]);
});
