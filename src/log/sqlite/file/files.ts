// The data directory: which files a log has, and whether the directory can hold one.
import { chmodSync, closeSync, constants, fsyncSync, openSync, statSync } from 'node:fs';
import { access, chmod, mkdir, open, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CoordinatorError } from '../../../xa/errors.ts';

export interface LogFiles {
  readonly directory: string;
  /** The log itself; SQLite keeps `log.db-wal` and `log.db-shm` beside it. */
  readonly log: string;
  /** Locked for life and never opened by anything else: POSIX locks die with any `close` of the file. */
  readonly lock: string;
  readonly highWater: string;
  readonly ballast: string;
}

export function logFiles(directory: string): LogFiles {
  const absolute = resolve(directory);
  return {
    directory: absolute,
    log: join(absolute, 'log.db'),
    lock: join(absolute, 'lock.db'),
    highWater: join(absolute, 'high-water'),
    ballast: join(absolute, 'ballast'),
  };
}

/**
 * Makes the data directory if only its last part is missing, and checks that files can be made in it.
 * @throws {CoordinatorError} `CONFIG_INVALID`, with the path and what is wrong with it.
 */
export async function prepareDirectory(directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') {
      throw invalid(`the data directory ${directory} cannot be made: ${dirname(directory)} does not exist`, error);
    }
    if (error.code !== 'EEXIST') {
      throw invalid(`the data directory ${directory} cannot be made: ${error.message}`, error);
    }
  });
  await requireDirectory(directory);
  await access(directory, constants.R_OK | constants.W_OK | constants.X_OK).catch((error: Error) => {
    throw invalid(`the data directory ${directory} is not writable for this user: ${error.message}`, error);
  });
  await narrowDirectory(directory);
}

/** Everything that group and others may do. */
const OTHERS = 0o077;

/**
 * Takes a directory away from group and others. A local user who can open one of its files, if only to read, can hold the locks of SQLite
 * on it, and so stop the log or keep it from starting.
 * @throws {CoordinatorError} `CONFIG_INVALID`: others may enter it, and this user may not change that.
 */
async function narrowDirectory(directory: string): Promise<void> {
  const { mode } = await stat(directory);
  if (process.platform === 'win32' || (mode & OTHERS) === 0) {
    return;
  }
  await chmod(directory, mode & 0o700).catch((error: Error) => {
    throw invalid(
      `other users may enter the data directory ${directory} and could stop the log by its locks, and this user may not change that (${error.message}); let its owner run: chmod 700 ${directory} - or, where the directory is a whole volume, use a directory below it`,
      error,
    );
  });
}

/**
 * Makes an empty file, or narrows one that is there, so that nobody else may open it; SQLite gives its WAL, its index and its journals the
 * mode of their file. Blocks. @throws what the file system reports.
 */
export function ownFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error;
    }
    narrowFile(path);
  }
}

/** Of a file that may not exist. Without opening it: closing it again would drop the locks that this process holds on it. */
export function narrowFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (process.platform !== 'win32' && found !== undefined && (found.mode & OTHERS) !== 0) {
    chmodSync(path, found.mode & 0o700);
  }
}

/** @throws {CoordinatorError} `CONFIG_INVALID` when it is missing, or is no directory. */
export async function requireDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch((error: Error) => {
    throw invalid(`the data directory ${directory} cannot be read: ${error.message}`, error);
  });
  if (!found.isDirectory()) {
    throw invalid(`the data directory ${directory} is a file`);
  }
}

/** What `statfs` calls file systems whose locks and fsyncs cross a network (linux/magic.h and the systems' own sources). */
const NETWORK_MAGIC: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9p'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x73757245, 'Coda'],
  [0x0bd00bd0, 'Lustre'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
  [0x47504653, 'GPFS'],
  [0x786f4256, 'vboxsf'],
]);
const FUSE_MAGIC = 0x65735546;
/** FUSE is also used for local disks; only these are known to be remote. */
const REMOTE_FUSE = /^fuse\.(sshfs|s3fs|goofys|rclone|glusterfs|gcsfuse|blobfuse2?|juicefs|davfs2?|curlftpfs|mfs)/;

/** What the volume of a directory is and how much is left on it. Tests give another one. */
export interface Volume {
  /** The name of its network file system; undefined: local, as far as can be told. */
  network(directory: string): Promise<string | undefined>;
  freeBytes(directory: string): Promise<number>;
}

export const systemVolume: Volume = {
  async network(directory) {
    const { type } = await statfs(directory);
    // Elsewhere than on Linux the number means something else.
    if (process.platform !== 'linux') {
      return undefined;
    }
    return type >>> 0 === FUSE_MAGIC ? remoteFuse(directory) : NETWORK_MAGIC.get(type >>> 0);
  },
  async freeBytes(directory) {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  },
};

async function remoteFuse(directory: string): Promise<string | undefined> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return mountedType(mounts, directory, REMOTE_FUSE);
}

/** The type of the mount that holds `directory`, if it matches. `mountinfo` as in proc(5); the longest mount point wins. */
export function mountedType(mountinfo: string, directory: string, wanted: RegExp): string | undefined {
  let best = { point: '', type: '' };
  for (const line of mountinfo.split('\n')) {
    const point = (line.split(' ')[4] ?? '').replaceAll('\\040', ' ');
    const type = line.split(' - ')[1]?.split(' ')[0] ?? '';
    const holds = directory === point || directory.startsWith(point.endsWith('/') ? point : `${point}/`);
    if (point !== '' && holds && point.length >= best.point.length) {
      best = { point, type };
    }
  }
  return wanted.test(best.type) ? best.type : undefined;
}

/** @throws {CoordinatorError} `CONFIG_INVALID` for a network file system: its locks and fsyncs cannot be relied on. */
export async function refuseNetwork(volume: Volume, directory: string): Promise<void> {
  const network = await volume.network(directory);
  if (network !== undefined) {
    throw invalid(
      `the data directory ${directory} is on ${network}, a network file system; its locks and fsyncs cannot be relied on: use a local disk`,
    );
  }
}

/** Makes new and renamed entries of a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the content of a file durable. Blocks: for worker threads. @throws what the file system reports. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function invalid(message: string, cause?: unknown): CoordinatorError {
  return new CoordinatorError('CONFIG_INVALID', message, { cause });
}
