// The list of canaries stays in step with the source, and a bug that nobody notices is not taken for a caught one.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Canary, OutOfDate, patched } from '../../proof/canaries/canary.ts';
import { CANARIES } from '../../proof/canaries/list.ts';
import { fly, type Landing } from '../../proof/canaries/run.ts';
import { configurations } from '../../proof/check/configurations.ts';
import { INVARIANTS } from '../../src/coordinator/engine/invariants.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MAIN = join(ROOT, 'proof', 'canaries', 'main.ts');
const TIMEOUT_MS = 120_000;

const ONE_BRANCH = { kind: 'check', branches: 1, world: 'crashes' } as const;

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** A test file with everything of its directory that it takes its cases from. */
function withCases(file: string): string {
  const source = read(file);
  const cases = [...source.matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => join(dirname(file), path));
  return [source, ...cases.filter((path) => path.startsWith('test/')).map(withCases)].join('\n');
}

async function landingOf(canary: Canary): Promise<Landing | undefined> {
  const [landing] = await fly({
    ...{ flights: [{ canary, caughtBy: canary.caughtBy }], lanes: 1, onLanding: () => undefined },
  });
  return landing;
}

describe('the list of canaries', () => {
  test('names each once, with an invariant that it breaks', () => {
    expect(new Set(CANARIES.map(({ id }) => id)).size).toBe(CANARIES.length);
    for (const { id, title, breaks, patches } of CANARIES) {
      expect(id).toMatch(/^C\d+(-[a-z-]+)?$/);
      expect(title).toMatch(/^[a-z].*[^.]$/);
      expect(breaks.length * patches.length, id).toBeGreaterThan(0);
      expect(Object.keys(INVARIANTS), id).toEqual(expect.arrayContaining([...breaks]));
    }
  });

  test.each(CANARIES)('$id applies to the source as it is, exactly once, and leaves a program', ({ patches }) => {
    const sources = new Map<string, string>();
    for (const patch of patches) {
      expect(patch.file).toMatch(/^src\//);
      sources.set(patch.file, patched(sources.get(patch.file) ?? read(patch.file), patch));
    }
    for (const source of sources.values()) {
      expect(() => stripTypeScriptTypes(source)).not.toThrow();
    }
  });

  test.each(CANARIES)('$id names a proof that exists', ({ caughtBy, sees }) => {
    expect(sees.test(''), 'silence is not a catch').toBe(false);
    if (caughtBy.kind === 'check') {
      const worlds = configurations(caughtBy.branches, caughtBy.deep === true).map(({ name }) => name);
      expect(worlds).toContain(caughtBy.world);
    } else if (caughtBy.kind === 'test') {
      expect(existsSync(join(ROOT, caughtBy.file))).toBe(true);
      expect(withCases(caughtBy.file)).toContain(caughtBy.named);
    }
  });
});

describe('a patch', () => {
  const patch = { file: 'a.ts', find: 'one', put: 'two' };

  test('changes its place and nothing else, whatever stands there', () => {
    expect(patched('it is one.', { ...patch, put: '$&$1' })).toBe('it is $&$1.');
  });

  test('that fits nowhere, twice, or changes nothing is out of date', () => {
    expect(() => patched('none', { ...patch, find: 'three' })).toThrow(OutOfDate);
    expect(() => patched('one and one', patch)).toThrow(OutOfDate);
    expect(() => patched('one', { ...patch, put: 'one' })).toThrow(OutOfDate);
  });
});

describe('npm run canaries', () => {
  const [first] = CANARIES;
  const engine = 'src/coordinator/engine/step.ts';
  const [, line = ''] = /^(.*)$/m.exec(read(engine)) ?? [];
  const harmless: Canary = {
    ...{ id: 'C0', title: 'a comment is changed', breaks: ['D1'], sees: /^D1/, caughtBy: ONE_BRANCH },
    patches: [{ file: engine, find: line, put: `${line} ` }],
  };

  test('does not take a bug for caught that nobody has noticed', { timeout: TIMEOUT_MS }, async () => {
    expect(await landingOf(harmless)).toMatchObject({ isRight: false, verdict: { isGreen: true } });
  });

  test('does not take a proof that dies for one that has noticed something', { timeout: TIMEOUT_MS }, async () => {
    const landing = await landingOf({ ...harmless, patches: [{ file: engine, find: line, put: 'gone();' }] });
    expect(landing).toMatchObject({ isRight: false, verdict: { violations: [], isGreen: false } });
    expect(landing?.verdict.trouble).toContain('gone is not defined');
  });

  test('takes no canary for caught that is found for another reason', { timeout: TIMEOUT_MS }, async () => {
    if (first === undefined) {
      throw new Error('there is no canary');
    }
    const landing = await landingOf({ ...first, sees: /^D12/ });
    expect(landing).toMatchObject({ isRight: false, verdict: { violations: [expect.stringMatching(/^D1:/)] } });
  });

  test('is not stopped by a canary that is out of date', { timeout: TIMEOUT_MS }, async () => {
    const landing = await landingOf({ ...harmless, patches: [{ file: engine, find: 'not there', put: '' }] });
    expect(landing?.isRight).toBe(false);
    expect(landing?.verdict.trouble).toMatch(/^out of date: /);
  });

  test('is in one of three shares, whichever it is', () => {
    const listed = ['1/3', '2/3', '3/3'].map((share) => {
      const { stdout } = spawnSync(process.execPath, [MAIN, '--list', '--share', share], { encoding: 'utf8' });
      return stdout.match(/^C\d+[^:]*/gm) ?? [];
    });
    expect(listed.flat().toSorted()).toEqual(CANARIES.map(({ id }) => id).toSorted());
    expect(Math.max(...listed.map(({ length }) => length))).toBeLessThanOrEqual(Math.ceil(CANARIES.length / 3));
  });

  test('tells what it plants, and refuses what it does not know', () => {
    const run = (...args: readonly string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
    expect(run('--list').stdout.match(/^C\d/gm)).toHaveLength(CANARIES.length);
    expect(run('--list', '--only', 'C1').stdout).toMatch(/^C1: /);
    expect(run('--only', 'C0').status).toBe(2);
    expect(run('--lanes', '0').status).toBe(2);
    expect(run('--share', '4/3').status).toBe(2);
    expect(run('--share', '1/3', '--only', 'C1').status).toBe(2);
    expect(run('--help').stdout).toMatch(/^npm run canaries/);
  });
});
