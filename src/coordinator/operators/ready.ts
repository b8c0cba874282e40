// `/readyz?verbose`: whether the coordinator serves, and whether each database answers, a line for each.
import type { Directory, KnownResource } from '../calls/directory.ts';
import { tellReason } from '../driver/fixes.ts';

interface ReadyParts {
  readonly directory: Directory;
  readonly isServing: boolean;
  /** Monotonic milliseconds. */
  readonly now: number;
}

/** Text for people, with \n behind each line. */
export function readyLines({ directory, isServing, now }: ReadyParts): string {
  const lines = [
    isServing
      ? '[+] coordinator: serves'
      : '[-] coordinator: does not serve: it recovers, drains, or its log is refused',
    ...directory.all().map((resource) => databaseLine(resource, directory, now)),
  ];
  return lines.map((line) => `${line.replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ')}\n`).join('');
}

/** One of its participants is enough to say that it answers. */
function databaseLine({ name, links, awayAt }: KnownResource, directory: Directory, now: number): string {
  if (links.length === 0) {
    const since = awayAt === undefined ? 'since the start' : `for ${seconds(now - awayAt)}`;
    return `[-] ${name}: not known: no participant is attached ${since}`;
  }
  const troubles = links.map((link) => directory.troubleOf(link));
  const [first] = troubles;
  return first === undefined || troubles.includes(undefined)
    ? `[+] ${name}: answers`
    : `[-] ${name}: does not answer for ${seconds(now - first.at)}: ${tellReason(first.reason)}`;
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.floor(ms / 1_000))} s`;
}
