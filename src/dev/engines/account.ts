// Whose account a server runs under. PostgreSQL refuses to run as root, so root hands it to an unprivileged user.
import { readFile } from 'node:fs/promises';
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
 * @throws {EngineUnavailableError} when the account has no entry in /etc/passwd, which PostgreSQL insists on.
 */
export async function postgresAccount(): Promise<Account | undefined> {
  const rows = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  if (!isRoot()) {
    const own = process.getuid?.();
    // Accounts of a directory service are not in the file; only a container's bare number is told apart by getent.
    const known = rows.some((row) => row[2] === String(own)) || (await isKnownElsewhere(own));
    if (!known) {
      throw new EngineUnavailableError(
        `PostgreSQL cannot run as user id ${own}, which has no entry in /etc/passwd: run \`useradd --uid ${own} concordat\` as root.`,
      );
    }
    return undefined;
  }
  const row = rows.find(([name]) => name === 'postgres') ?? rows.find(([name]) => name === 'nobody');
  if (row === undefined) {
    throw new EngineUnavailableError(
      'PostgreSQL cannot run as root and there is no user postgres or nobody: run `useradd --system postgres`.',
    );
  }
  return { name: row[0] ?? '', uid: Number(row[2]), gid: Number(row[3]) };
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
  const rows = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const row = rows.find(([name]) => name === 'mysql') ?? rows.find(([name]) => name === 'nobody');
  if (row === undefined) {
    throw new EngineUnavailableError(
      'MySQL and MariaDB are not run as root and there is no user mysql or nobody: run `useradd --system mysql`.',
    );
  }
  return { name: row[0] ?? '', uid: Number(row[2]), gid: Number(row[3]) };
}

async function isKnownElsewhere(uid: number | undefined): Promise<boolean> {
  return run('getent', ['passwd', String(uid)]).then(
    () => true,
    () => false,
  );
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
