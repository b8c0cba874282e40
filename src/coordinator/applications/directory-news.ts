// The directory as sessions hear it: all of it in pages when they are welcomed, then only what changed, and not for each change alone.
import type { ResourceDirectory } from '../../gen/concordat/v1/ResourceDirectory.ts';
import type { ResourceEntry } from '../../gen/concordat/v1/ResourceEntry.ts';
import type { Clock } from '../../lib/clock.ts';
import { DIRECTORY_NEWS_MS, DIRECTORY_PAGE_MAX } from '../../xa/limits.ts';
import type { ResourceName } from '../../xa/xid.ts';
import type { Directory, KnownResource } from '../calls/directory.ts';

/** The whole directory; at least one page, which may be empty. */
export function directoryPages(directory: Directory): readonly ResourceDirectory[] {
  return pages(directory.all().map((resource) => entryOf(directory, resource)));
}

interface NewsParts {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly tell: (news: ResourceDirectory) => void;
}

/** Tells the first change at once, and what changes within DIRECTORY_NEWS_MS after it together: many may listen to many that come and go. */
export function tellChanges({ directory, clock, tell }: NewsParts): void {
  const changed = new Set<ResourceName>();
  let nextAt = clock.now();
  let isDue = false;
  const tellAll = (): void => {
    isDue = false;
    nextAt = clock.now() + DIRECTORY_NEWS_MS;
    const known = [...changed].map((name) => directory.get(name)).filter((resource) => resource !== undefined);
    const gone = [...changed].filter((name) => directory.get(name) === undefined);
    changed.clear();
    for (const page of pages(known.map((resource) => entryOf(directory, resource)))) {
      tell(gone.length > 0 ? { ...page, gone: gone.splice(0, DIRECTORY_PAGE_MAX) } : page);
    }
    for (; gone.length > 0; ) {
      tell({ entries: [], partial: true, gone: gone.splice(0, DIRECTORY_PAGE_MAX) });
    }
  };
  directory.onChange((name) => {
    changed.add(name);
    const waitMs = nextAt - clock.now();
    if (waitMs <= 0 && !isDue) {
      tellAll();
    } else if (!isDue) {
      isDue = true;
      clock.after(waitMs, tellAll);
    }
  });
}

function pages(entries: readonly ResourceEntry[]): readonly ResourceDirectory[] {
  const result: ResourceDirectory[] = [];
  for (let first = 0; first === 0 || first < entries.length; first += DIRECTORY_PAGE_MAX) {
    result.push({ partial: true, entries: entries.slice(first, first + DIRECTORY_PAGE_MAX) });
  }
  return result;
}

function entryOf(directory: Directory, { name, engine, engineIdentity }: KnownResource): ResourceEntry {
  const sidecar = directory.sidecarOf(name);
  return { name, engine, engineIdentity, address: sidecar?.address ?? '', instance: sidecar?.instance ?? '' };
}
