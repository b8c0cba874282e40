// Other machines than this one: without /proc, without accounts in a file, not Linux at all. What cannot be run here is told to the code.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { unpackDebian } from '../../src/dev/engines/debian.ts';
import { postgresPackage } from '../../src/dev/engines/postgres-package.ts';
import { family, isGone, procTable, psTable } from '../../src/dev/engines/process-tree.ts';
import { asPlaygroundProblem, checkFree, PlaygroundError, platformNote } from '../../src/dev/problem.ts';
import { Timeline } from '../../src/dev/timeline.ts';

const ROOT = join(import.meta.dirname, '../..');

afterEach(() => {
  vi.restoreAllMocks();
});

describe('on a Mac', () => {
  test('the first line says what is different, and what to do', () => {
    expect(platformNote('linux')).toBeUndefined();
    expect(platformNote('darwin')).toMatch(/^MariaDB and MySQL are started on Linux only: .* `docker compose up`/);
    expect(() => platformNote('win32')).toThrow(/^The playground runs on Linux and on a Mac, not on win32\.$/);
  });

  test('MariaDB is not looked for, and the sentence names the way to have it', async () => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
    const directory = await mkdtemp(join(inject('runDirectory'), 'mac-'));
    const unpacked = unpackDebian({ packages: ['mariadb-server-core'], release: 'own', directory });
    await expect(unpacked).rejects.toThrow(/is a package of Linux: run `docker compose up`/);
  });

  test.each(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'])(
    'and elsewhere the PostgreSQL of npm for %s is the one of the lock file',
    async (place) => {
      const [platform = '', arch = ''] = place.split('-');
      const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
      const { name, version, integrity } = postgresPackage(platform as NodeJS.Platform, arch) ?? {};
      expect(packages[`node_modules/${name}`]).toMatchObject({ version, integrity });
    },
  );

  test('processes are told by ps as /proc tells them here, and one that is gone by its absence', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const [proc, ps] = await Promise.all([family(process.pid, procTable), family(process.pid, psTable)]);
      expect(ps[0]?.pid).toBe(process.pid);
      expect(ps.map(({ pid }) => pid)).toContain(child.pid);
      expect(proc.map(({ pid }) => pid)).toContain(child.pid);
      const ref = ps.find(({ pid }) => pid === child.pid);
      expect(ref === undefined || (await isGone(ref, psTable))).toBe(false);
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGKILL');
      await ended;
      expect(ref === undefined || (await isGone(ref, psTable))).toBe(true);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe('what the machine refuses is no bug', () => {
  test('a folder that cannot be written to is named, with the settings that choose another', () => {
    const error = Object.assign(new Error('no'), { code: 'EROFS', path: '/home/somebody/.cache/concordat' });
    const problem = asPlaygroundProblem(error);
    expect(problem).toBeInstanceOf(PlaygroundError);
    expect(problem).toMatchObject({
      message: 'The playground cannot write to /home/somebody/.cache/concordat (EROFS).',
      advice: expect.stringContaining('CONCORDAT_CACHE'),
    });
    const bug = new TypeError('x is not a function');
    expect(asPlaygroundProblem(bug)).toBe(bug);
  });

  test('a port that is taken is named before anything is started, and any free one is offered', async () => {
    const { createServer } = await import('node:net');
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()));
    const { port } = server.address() as { port: number };
    const problem = checkFree(`127.0.0.1:${port}`);
    await expect(problem).rejects.toMatchObject({
      message: expect.stringMatching(new RegExp(`^Port ${port} is taken`)),
      advice: expect.stringContaining('--listen 127.0.0.1:0'),
    });
    await new Promise((done) => server.close(done));
    await checkFree(`127.0.0.1:${port}`);
    await checkFree('127.0.0.1:0');
  });
});

test('at 60 columns no sentence of the story is wider, and what is to be pasted stays whole', () => {
  let said = '';
  const timeline = new Timeline({
    write: (text) => {
      said += text;
    },
    colour: false,
    now: () => 0,
    width: 60,
  });
  timeline.chapter('4. The same order, its coordinator killed with kill -9 after the decision and before phase two');
  timeline.step('rolled back; the application gets its own error: the shop fell over after its first statement');
  timeline.check('the customer paid 100 (1000 → 900) and has one order more, and so on and on and on', true);
  const pasted = `  npm run -s concordat -- tx show ${'x'.repeat(60)}`;
  timeline.line(pasted);
  const lines = said.split('\n');
  expect(lines).toContain(pasted);
  expect(lines.filter((line) => line !== pasted && line.length > 60)).toEqual([]);
  expect(said).not.toContain('\u001b');
});
