// The one direction of imports: which folder of src may know which. A new folder has to be placed here before it may exist.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** From a room of the house to the rooms it may import from, besides itself. Types of `gen` are erased and free to all but the core. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  // The codecs of the messages; everything else in it is types.
  gen: ['wire/encoding'],
  xa: ['lib'],
  'wire/encoding': ['xa'],
  wire: ['lib', 'xa', 'gen', 'wire/encoding'],
  'log/record': ['xa'],
  'coordinator/engine': ['lib', 'xa', 'log/record'],
  'participants/engine': ['lib', 'xa'],
  log: ['lib', 'xa', 'log/record'],
  participants: ['lib', 'xa', 'wire', 'gen', 'participants/engine'],
  coordinator: ['lib', 'xa', 'wire', 'gen', 'log/record', 'log', 'coordinator/engine'],
  // The wire, and for connections that the application enlists the participant's own code.
  client: ['lib', 'xa', 'wire', 'gen', 'participants'],
  dev: ['lib', 'xa', 'wire', 'client'],
  // It starts the programs, and otherwise knows only the wire.
  cli: ['lib', 'xa', 'wire', 'gen', 'coordinator', 'participants', 'log', 'dev'],
  // A database and a log in memory, for tests and proofs, ours and those of applications: no program and no other room may import them.
  testing: ['lib', 'xa', 'log/record', 'log', 'participants', 'coordinator', 'client'],
};

/**
 * Within the coordinator, from the engine upwards: what is sent to participants, the driver, the network's edge, reports of what is not
 * held, which log and which database are ours. On these stand the three that serve somebody, and none of them knows another.
 */
const COORDINATOR_ZONES: Readonly<Record<string, readonly string[]>> = {
  engine: [],
  calls: ['engine'],
  driver: ['engine', 'calls'],
  edge: ['engine', 'calls', 'driver'],
  reports: ['engine', 'calls', 'driver'],
  identity: ['engine', 'calls', 'driver', 'edge', 'reports'],
  applications: ['engine', 'calls', 'driver', 'edge'],
  participants: ['engine', 'calls', 'driver', 'edge', 'reports', 'identity'],
  operators: ['engine', 'calls', 'driver', 'edge', 'reports', 'identity'],
};

/** A reader loses the overview beyond about fifteen files in one folder: more are split by subject where there is one. Commands are one each. */
const FOLDER_FILES_MAX = 20;

/** Both halves of the protocol. */
const ENGINES = ['coordinator/engine', 'participants/engine'];

/** An engine is pure: nothing of Node, and of lib only what has no clock, no randomness and no failpoint. */
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
  const own = ['coordinator/engine', 'participants/engine', 'log/record', 'wire/encoding'].find(
    (place) => path.startsWith(`${place}/`) || path === `${place}.ts`,
  );
  return own ?? path.split('/')[0] ?? '';
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

/** Groups of two or more that import one another, directly or not: types count, too. */
function circles(edges: readonly Import[]): readonly (readonly string[])[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of edges) {
    if (from !== to) {
      next.set(from, (next.get(from) ?? new Set()).add(to));
    }
  }
  const reach = (start: string): Set<string> => {
    const seen = new Set<string>();
    const open = [...(next.get(start) ?? [])];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (!seen.has(at)) {
        seen.add(at);
        open.push(...(next.get(at) ?? []));
      }
    }
    return seen;
  };
  const reached = new Map([...next.keys()].map((name) => [name, reach(name)]));
  const groups = new Set<string>();
  for (const [name, seen] of reached) {
    if (seen.has(name)) {
      groups.add(
        [...seen]
          .filter((other) => reached.get(other)?.has(name))
          .sort()
          .join(' '),
      );
    }
  }
  return [...groups].map((group) => group.split(' '));
}

describe('the house', () => {
  test('imports point one way', () => {
    const wrong = localImports().filter(({ from, to }) => {
      const allowed = MAY_IMPORT[room(from)];
      return room(from) !== room(to) && !allowed?.includes(room(to));
    });
    expect(localImports().length).toBeGreaterThan(100);
    expect(wrong).toEqual([]);
    const codecs = localImports().filter(({ to }) => to === 'gen/codecs.ts');
    expect(codecs).toEqual([{ from: 'wire/codec.ts', to: 'gen/codecs.ts' }]);
  });

  test('within the coordinator, nobody who serves one side knows the others', () => {
    const zone = (path: string): string => /^coordinator\/([^/]+)\//.exec(path)?.[1] ?? '';
    const inside = localImports().filter(({ from, to }) => zone(from) !== '' && to.startsWith('coordinator/'));
    expect(inside.length).toBeGreaterThan(100);
    expect(inside.filter(({ to }) => zone(to) === '')).toEqual([]);
    const known = Object.keys(COORDINATOR_ZONES);
    const wrong = inside.filter(
      ({ from, to }) =>
        !known.includes(zone(from)) || (zone(from) !== zone(to) && !COORDINATOR_ZONES[zone(from)]?.includes(zone(to))),
    );
    expect(wrong).toEqual([]);
  });

  test('there is no circle of files, and none of folders', () => {
    const edges = localImports().filter(({ to }) => !to.startsWith('gen/'));
    expect(
      circles([
        { from: 'a', to: 'b' },
        { from: 'b', to: 'c' },
        { from: 'c', to: 'a' },
      ]),
    ).toEqual([['a', 'b', 'c']]);
    expect(circles(edges)).toEqual([]);
    const folders = edges.map(({ from, to }) => ({ from: dirname(from), to: dirname(to) }));
    expect(circles(folders)).toEqual([]);
  });

  test('a folder holds no more files than a reader can overlook', () => {
    const counts = new Map<string, number>();
    for (const path of files()) {
      counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
    }
    const full = [...counts].filter(([, count]) => count > FOLDER_FILES_MAX);
    expect(full).toEqual([]);
  });

  test.each(ENGINES)('the engine in %s imports nothing that has a clock, a socket, a disk or a promise', (folder) => {
    const engine = files().filter((path) => path.startsWith(`${folder}/`));
    expect(engine.length).toBeGreaterThan(5);
    const outside = engine.flatMap((path) =>
      importsOf(path)
        .filter((target) => !target.startsWith('.'))
        .map((target) => `${path}: ${target}`),
    );
    expect(outside).toEqual([]);
    const lib = localImports().filter(
      ({ from, to }) => from.startsWith(`${folder}/`) && to.startsWith('lib/') && !ENGINE_LIB.includes(to),
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
