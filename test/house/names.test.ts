// One name, one thing: an exported class or interface has a name that no other in src has, so that a reader who meets it knows which it is.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** The two halves of the protocol speak alike, of one transaction and of one branch, and neither imports the other. */
const ENGINES = ['coordinator/engine', 'participants/engine'];

/** By name: the folders that export it, the two engines as one. */
function exported(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const path of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (path.endsWith('.ts') && !path.startsWith('gen/')) {
      const text = readFileSync(join(SRC, path), 'utf8');
      for (const [, name = ''] of text.matchAll(/^export (?:abstract )?(?:class|interface) (\w+)/gm)) {
        const place = ENGINES.some((engine) => path.startsWith(`${engine}/`)) ? 'the engines' : path;
        found.set(name, (found.get(name) ?? new Set()).add(place));
      }
    }
  }
  return found;
}

test('an exported class or interface has its name for itself', () => {
  const twice = [...exported()].filter(([, places]) => places.size > 1).map(([name]) => name);
  expect(twice).toEqual([]);
});
