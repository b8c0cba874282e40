// Which of the two engines answers, and its version.

export type EngineKind = 'mysql' | 'mariadb';

export interface Engine {
  readonly kind: EngineKind;
  /** As the server says it. */
  readonly version: string;
  /** The database that the adapter's account works in. */
  readonly database: string;
}

/** `10.11.19-MariaDB-0+deb12u1` and `5.5.5-10.11…` are MariaDB; everything else speaks of MySQL. */
export function engineKind(version: string): EngineKind {
  return /mariadb/i.test(version) ? 'mariadb' : 'mysql';
}

/** The numbers of a version: major, minor, patch. Missing ones are 0. */
export function versionNumbers(version: string): readonly [number, number, number] {
  const numbers = version
    .replace(/^5\.5\.5-(?=\d)/, '')
    .split(/[^\d]/, 3)
    .map(Number);
  return [numbers[0] || 0, numbers[1] || 0, numbers[2] || 0];
}

/** Whether a version is at least another. */
export function isAtLeast(version: string, floor: readonly [number, number, number]): boolean {
  const numbers = versionNumbers(version);
  for (const [i, wanted] of floor.entries()) {
    const number = numbers[i] ?? 0;
    if (number !== wanted) {
      return number > wanted;
    }
  }
  return true;
}
