// A backup becomes the log of a data directory that has none: `concordat log restore`. The coordinator does not run meanwhile.
import { constants } from 'node:fs';
import { chown, copyFile, lstat, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CoordinatorError } from '../../../xa/errors.ts';
import { type LogFiles, logFiles, prepareDirectory, syncDirectory } from '../file/files.ts';
import { takeLock } from '../file/lock.ts';
import { type LogVerification, verifySqliteLog } from './verify.ts';

/** What the copy is called until it is whole: a start does not know it. */
const PARTIAL = 'log.db.restoring';

/**
 * Copies the backup in `from` into `directory`, which is made if its last part is missing. Verified is the backup. Nothing that is there is ever
 * replaced: whoever restores may be wrong about which log is the newer one.
 * @throws {CoordinatorError} `CONFIG_INVALID`: there is a log in `directory`, or none in `from`; `LOG_LOCKED`; and the first problem of a
 *   backup that does not verify. Nothing is left behind then.
 */
export async function restoreSqliteLog(from: string, directory: string): Promise<LogVerification> {
  const backup = logFiles(from);
  const target = logFiles(directory);
  const found = await verifySqliteLog(from);
  requireWhole(found);
  await prepareDirectory(target.directory);
  using _lock = takeLock(target.lock);
  await refuseLog(target);
  const partial = join(target.directory, PARTIAL);
  const made = [target.highWater, partial];
  try {
    await rm(partial, { force: true });
    await copyNew(backup.highWater, target.highWater);
    await copyNew(backup.log, partial);
    await ownAs(target, made);
    await rename(partial, target.log);
    await syncDirectory(target.directory);
  } catch (error) {
    await Promise.all(made.map((file) => rm(file, { force: true })));
    throw error;
  }
  return { ...found, path: target.log };
}

function requireWhole({ problems: [problem], path }: LogVerification): void {
  if (problem !== undefined) {
    throw new CoordinatorError(problem.code, `${path} is not restored: ${problem.message}`);
  }
}

async function refuseLog({ directory, log, highWater }: LogFiles): Promise<void> {
  for (const file of [log, `${log}-wal`, highWater]) {
    if (await isThere(file)) {
      const message = `there is a log in ${directory} already (${file}), and it may be newer than the backup. Nothing was changed. Move it aside and keep it: mv ${directory} ${directory}.before-restore`;
      throw new CoordinatorError('CONFIG_INVALID', message);
    }
  }
}

async function isThere(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

/** Durable, and for its user alone. */
async function copyNew(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL);
  const handle = await open(to, 'r+');
  try {
    await handle.chmod(0o600);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Root restores for another account: the one that owns the directory must be able to open the files. */
async function ownAs({ directory, lock }: LogFiles, files: readonly string[]): Promise<void> {
  const { uid, gid } = await stat(directory);
  if (process.getuid?.() === 0 && uid !== 0) {
    await Promise.all([lock, ...files].map((file) => chown(file, uid, gid)));
  }
}
