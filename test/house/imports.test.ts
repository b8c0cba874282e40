// The one direction of imports: which folder of src may know which. A new folder has to be placed here before it may exist.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** From a room of the house to the rooms it may import from, besides itself. Types of `gen` are erased and free to all but the core. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  gen: [],
  xa: ['lib'],
  wire: ['lib', 'xa', 'gen'],
  'log/record': ['xa'],
  'coordinator/engine': ['lib', 'xa', 'log/record'],
  log: ['lib', 'xa', 'log/record'],
  participants: ['lib', 'xa', 'wire', 'gen'],
  coordinator: ['lib', 'xa', 'wire', 'gen', 'log/record', 'log', 'coordinator/engine'],
  // The wire, and for connections that the application enlists the participant's own code.
  client: ['lib', 'xa', 'wire', 'gen', 'participants'],
  dev: ['lib', 'xa', 'wire', 'client'],
  // It starts the programs, and otherwise knows only the wire.
  cli: ['lib', 'xa', 'wire', 'gen', 'coordinator', 'participants', 'log', 'dev'],
};

/** The engine is pure: nothing of Node, and of lib only what has no clock, no randomness and no failpoint. */
const ENGINE_LIB = ['lib/assert.ts', 'lib/brand.ts'];

/** Where real time may be read; everything else is handed a clock. */
const REAL_TIME = ['lib/system-clock.ts'];

interface Import {
  readonly from: string;
  readonly to: string;
}

function files(): readonly string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('gen/'),
  );
}

function room(path: string): string {
  const folder = path.startsWith('coordinator/engine/')
    ? 'coordinator/engine'
    : path === 'log/record.ts'
      ? 'log/record'
      : (path.split('/')[0] ?? '');
  return folder;
}

function importsOf(path: string): readonly string[] {
  const text = readFileSync(join(SRC, path), 'utf8');
  return [...text.matchAll(/(?:from\s+|import\s*\(\s*|import\s+)'([^']+)'/g)].map((match) => match[1] ?? '');
}

function localImports(): readonly Import[] {
  return files().flatMap((from) =>
    importsOf(from)
      .filter((target) => target.startsWith('.'))
      .map((target) => ({ from, to: relative(SRC, resolve(SRC, from, '..', target)) })),
  );
}

describe('the house', () => {
  test('imports point one way', () => {
    const wrong = localImports().filter(({ from, to }) => {
      const allowed = MAY_IMPORT[room(from)];
      return room(from) !== room(to) && !allowed?.includes(room(to));
    });
    expect(localImports().length).toBeGreaterThan(100);
    expect(wrong).toEqual([]);
  });

  test('the engine imports nothing that has a clock, a socket, a disk or a promise', () => {
    const engine = files().filter((path) => path.startsWith('coordinator/engine/'));
    expect(engine.length).toBeGreaterThan(5);
    const outside = engine.flatMap((path) =>
      importsOf(path)
        .filter((target) => !target.startsWith('.'))
        .map((target) => `${path}: ${target}`),
    );
    expect(outside).toEqual([]);
    const lib = localImports().filter(
      ({ from, to }) => from.startsWith('coordinator/engine/') && to.startsWith('lib/') && !ENGINE_LIB.includes(to),
    );
    expect(lib).toEqual([]);
    for (const path of engine) {
      expect(readFileSync(join(SRC, path), 'utf8'), path).not.toMatch(/\b(async|await|Promise|setTimeout|Date)\b/);
    }
  });

  test('only the system clock reads the real time', () => {
    const readers = files().filter(
      (path) =>
        !REAL_TIME.includes(path) &&
        /\b(Date\.now|performance\.now|setTimeout|setInterval|new Date\(\))/.test(
          readFileSync(join(SRC, path), 'utf8').replaceAll(/\/\/.*|\/\*[\s\S]*?\*\/|`[^`]*`/g, ''),
        ),
    );
    expect(readers).toEqual([]);
  });

  test('names are exported by name, and no file is over 300 lines', () => {
    for (const path of files()) {
      const text = readFileSync(join(SRC, path), 'utf8');
      expect(text, path).not.toMatch(/^export default/m);
      expect(text.split('\n').length, path).toBeLessThanOrEqual(300);
    }
  });
});
