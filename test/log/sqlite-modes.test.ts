// Who may open the files of a log: its own user, and nobody else.
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decided, gtridOf } from './records.ts';
import { openLog, scratchDirectory } from './sqlite-bench.ts';

const NOBODY = 65_534;
let root: string;

beforeEach(async () => {
  root = await scratchDirectory();
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

async function modesIn(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory);
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await modeOf(join(directory, name))])));
}

test.runIf(process.platform !== 'win32')(
  'every file of a log is its user’s alone, whatever the umask, also one that an older version made (security X19)',
  async () => {
    const directory = join(root, 'data');
    await mkdir(directory, { mode: 0o755 });
    const before = process.umask(0);
    try {
      await using log = await openLog(directory, { ballastBytes: 4_096 });
      await log.append([decided(gtridOf(log, 1))], 'forced');
      await log.backup(join(root, 'backup'));
      expect(await modeOf(directory)).toBe('700');
      expect(new Set(Object.values(await modesIn(directory)))).toEqual(new Set(['600']));
      expect(await modeOf(join(root, 'backup'))).toBe('700');
      expect(await modesIn(join(root, 'backup'))).toEqual({ 'high-water': '600', 'log.db': '600' });
    } finally {
      process.umask(before);
    }
    for (const name of await readdir(directory)) {
      await chmod(join(directory, name), 0o644);
    }
    await chmod(directory, 0o755);
    await using _log = await openLog(directory);
    expect(await modeOf(directory)).toBe('700');
    expect(new Set(Object.values(await modesIn(directory)))).toEqual(new Set(['600']));
  },
);

test.runIf(process.getuid?.() === 0)(
  'a directory that is another user’s and open to all is refused with what to do (security X19)',
  async () => {
    const directory = join(root, 'data');
    await chmod(root, 0o755);
    await mkdir(directory);
    await chown(directory, NOBODY - 1, NOBODY - 1);
    await chmod(directory, 0o777);
    const program = `
    import { prepareDirectory } from ${JSON.stringify(join(process.cwd(), 'src/log/sqlite/file/files.ts'))};
    process.setgid(${NOBODY}); process.setuid(${NOBODY});
    await prepareDirectory(${JSON.stringify(directory)}).then(() => console.log('taken'), (error) => console.log(error.message));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(stdout).toContain(`chmod 700 ${directory}`);
  },
);

test('a backup writes over nothing, follows no link and deletes nothing that it has not made (security X11)', async () => {
  await using log = await openLog(join(root, 'data'));
  const victim = join(root, 'victim');
  await writeFile(victim, 'keys');
  const elsewhere = join(root, 'elsewhere');
  await mkdir(elsewhere);
  for (const where of [victim, elsewhere]) {
    await symlink(where, join(root, 'b'));
    await expect(log.backup(join(root, 'b'))).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    await rm(join(root, 'b'));
  }
  expect(await readdir(elsewhere)).toEqual([]);
  const bystanders = ['b.partial', 'b.partial-wal', 'b.high-water', 'b.partial.high-water'];
  for (const name of bystanders) {
    await writeFile(join(root, name), 'mine');
  }
  await log.backup(join(root, 'b'));
  expect(await readFile(victim, 'utf8')).toBe('keys');
  for (const name of bystanders) {
    expect(await readFile(join(root, name), 'utf8')).toBe('mine');
  }
  expect((await readdir(root)).sort()).toEqual(['b', 'data', 'elsewhere', 'victim', ...bystanders].sort());
  expect((await readdir(join(root, 'b'))).sort()).toEqual(['high-water', 'log.db']);
});

test('one backup is made at a time (security X11)', async () => {
  await using log = await openLog(join(root, 'data'));
  const first = log.backup(join(root, 'one'));
  await expect(log.backup(join(root, 'two'))).rejects.toMatchObject({ code: 'LIMIT_BACKUPS' });
  await first;
  await log.backup(join(root, 'two'));
});
