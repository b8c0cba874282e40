// Whose account a server runs under. PostgreSQL refuses to run as root, so root hands it to an unprivileged user.
import { userInfo } from 'node:os';
import { run } from './run.ts';
import { EngineUnavailableError } from './unavailable.ts';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * The account for PostgreSQL: `undefined` means "as ourselves"; for root it is `postgres` where that user exists, else `nobody`.
 * @throws {EngineUnavailableError} when the system does not know our account by name, which PostgreSQL insists on.
 */
export async function postgresAccount(): Promise<Account | undefined> {
  if (!isRoot()) {
    if (!hasName()) {
      const own = process.getuid?.();
      throw new EngineUnavailableError(
        `PostgreSQL cannot run as user id ${own}, which has no name on this machine: run \`useradd --uid ${own} concordat\` as root.`,
      );
    }
    return undefined;
  }
  const account = (await accountOf('postgres')) ?? (await accountOf('nobody'));
  if (account === undefined) {
    throw new EngineUnavailableError(
      'PostgreSQL cannot run as root and there is no user postgres or nobody: run `useradd --system postgres`.',
    );
  }
  return account;
}

/**
 * The account for MySQL and MariaDB, which would run as root if they were let: then SQL makes files of root's. `undefined` means "as
 * ourselves"; for root it is `mysql` where that user exists, else `nobody`.
 * @throws {EngineUnavailableError} there is neither.
 */
export async function mysqlAccount(): Promise<Account | undefined> {
  if (!isRoot()) {
    return undefined;
  }
  const account = (await accountOf('mysql')) ?? (await accountOf('nobody'));
  if (account === undefined) {
    throw new EngineUnavailableError(
      'MySQL and MariaDB are not run as root and there is no user mysql or nobody: run `useradd --system mysql`.',
    );
  }
  return account;
}

/** Also of a directory service; a container that was given a bare number has none. */
function hasName(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    return false;
  }
}

/** As `id` of POSIX says: on a Mac, and with a directory service, accounts are not in /etc/passwd. */
async function accountOf(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    // A Mac's nobody is -2, and written without its sign.
    return { name, uid: Number(uid) | 0, gid: Number(gid) | 0 };
  } catch {
    return undefined;
  }
}

/** Whether `account` may enter `directory` and, if asked, write to it: every parent must let it pass, too. */
export async function canReach(
  account: Account | undefined,
  directory: string,
  mode: 'read' | 'write',
): Promise<boolean> {
  const checks = mode === 'write' ? ['-w', directory, '-a', '-x', directory] : ['-r', directory, '-a', '-x', directory];
  return run('test', checks, { account }).then(
    () => true,
    () => false,
  );
}
