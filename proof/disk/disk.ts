// A model of what a disk holds: what was synced is certain, everything else may be there, be missing or be torn after a power cut.

/** What a program did to the files of one directory, in the order in which the kernel saw it. Inodes are numbers. */
export type DiskEvent =
  /** A change of the directory: each name then leads to an inode, or to nothing. A rename is one change of two names. */
  | { readonly kind: 'names'; readonly changes: readonly (readonly [name: string, inode: number | undefined])[] }
  | { readonly kind: 'write'; readonly inode: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly inode: number; readonly size: number }
  | { readonly kind: 'sync'; readonly inode: number }
  | { readonly kind: 'sync-names' }
  /** The power was cut and came back: from here on exactly these files are on the disk. */
  | {
      readonly kind: 'power-cut';
      readonly files: readonly (readonly [name: string, inode: number, bytes: Uint8Array])[];
    }
  | { readonly kind: 'told'; readonly line: string };

export type NamesEvent = Extract<DiskEvent, { kind: 'names' }>;
export type ContentEvent = Extract<DiskEvent, { kind: 'write' | 'truncate' }>;

/** One unsynced change, with a number that no other change of the recording has. */
export interface Pending {
  readonly id: number;
  readonly event: NamesEvent | ContentEvent;
}

/** What became of a write: the sectors that reached the disk, and whether the file grew as if all had. */
export interface Tear {
  readonly sectors: readonly boolean[];
  readonly grown: boolean;
}

/** What a power cut leaves of the unsynced changes: `undefined`: all of it; `lost`: nothing. By the number of the change. */
export type Fate = ReadonlyMap<number, 'lost' | Tear>;

interface Inode {
  durable: Uint8Array;
  /** Counts the syncs that changed something. */
  version: number;
  pending: Pending[];
}

export const SECTOR = 512;

/** Which syncs do not do what they say. `wal`: those of the WAL, as with `synchronous = NORMAL`. */
export type Lies = 'none' | 'wal' | 'all';

export class Disk {
  readonly #lies: Lies;
  readonly #inodes = new Map<number, Inode>();
  readonly #liars = new Set<number>();
  #durableNames = new Map<string, number>();
  #pendingNames: Pending[] = [];
  #lastId = 0;

  constructor(lies: Lies = 'none') {
    this.#lies = lies;
  }

  /** Takes in the next event; answers the number of the change that is now unsynced because of it, if there is one. */
  apply(event: DiskEvent): number | undefined {
    switch (event.kind) {
      case 'told':
        return undefined;
      case 'names':
        this.#pendingNames.push(this.#pending(event));
        for (const [name, inode] of event.changes) {
          this.#distrust(name, inode);
        }
        return this.#lastId;
      case 'sync-names':
        if (this.#lies !== 'all') {
          this.#durableNames = this.#names(new Map());
          this.#pendingNames = [];
        }
        return undefined;
      case 'sync':
        this.#sync(event.inode);
        return undefined;
      case 'power-cut':
        this.#inodes.clear();
        this.#pendingNames = [];
        this.#durableNames = new Map(event.files.map(([name, inode]) => [name, inode]));
        for (const [name, inode, bytes] of event.files) {
          this.#distrust(name, inode);
          this.#inodes.set(inode, { durable: bytes, version: 0, pending: [] });
        }
        return undefined;
      default:
        this.#inode(event.inode).pending.push(this.#pending(event));
        return this.#lastId;
    }
  }

  /** Every change that a power cut may lose now, of files that some name may lead to. */
  pending(): readonly Pending[] {
    const reachable = new Set(this.#durableNames.values());
    for (const { event } of this.#pendingNames) {
      for (const [, inode] of event.kind === 'names' ? event.changes : []) {
        reachable.add(inode ?? -1);
      }
    }
    return [...this.#pendingNames, ...[...reachable].flatMap((inode) => this.#inodes.get(inode)?.pending ?? [])];
  }

  /** The files after a power cut that leaves what `fate` says; each with a key that equal contents of it share. */
  after(fate: Fate): readonly FileAfter[] {
    return [...this.#names(fate)].map(([name, number]) => {
      const inode = this.#inode(number);
      const kept = inode.pending.filter(({ id }) => fate.get(id) !== 'lost');
      const key = `${number}.${inode.version}:${kept.map(({ id }) => keyOf(id, fate)).join()}`;
      return { name, inode: number, key, bytes: () => contents(inode.durable, kept, fate) };
    });
  }

  #distrust(name: string, inode: number | undefined): void {
    if (inode !== undefined && (this.#lies === 'all' || (this.#lies === 'wal' && name.endsWith('-wal')))) {
      this.#liars.add(inode);
    }
  }

  #sync(number: number): void {
    const inode = this.#inode(number);
    if (inode.pending.length > 0 && !this.#liars.has(number)) {
      inode.durable = contents(inode.durable, inode.pending, new Map());
      inode.version += 1;
      inode.pending = [];
    }
  }

  #names(fate: Fate): Map<string, number> {
    const names = new Map(this.#durableNames);
    for (const { id, event } of this.#pendingNames) {
      for (const [name, inode] of event.kind === 'names' && fate.get(id) !== 'lost' ? event.changes : []) {
        if (inode === undefined) {
          names.delete(name);
        } else {
          names.set(name, inode);
        }
      }
    }
    return names;
  }

  #inode(number: number): Inode {
    const known = this.#inodes.get(number) ?? { durable: new Uint8Array(), version: 0, pending: [] };
    this.#inodes.set(number, known);
    return known;
  }

  #pending(event: NamesEvent | ContentEvent): Pending {
    this.#lastId += 1;
    return { id: this.#lastId, event };
  }
}

export interface FileAfter {
  readonly name: string;
  readonly inode: number;
  readonly key: string;
  readonly bytes: () => Uint8Array;
}

/** The sectors of the file, not of the buffer, that a write touches. */
export function sectorsOf(event: { readonly offset: number; readonly bytes: Uint8Array }): number {
  const end = event.offset + event.bytes.length;
  return Math.ceil(end / SECTOR) - Math.floor(event.offset / SECTOR);
}

function keyOf(id: number, fate: Fate): string {
  const tear = fate.get(id);
  const torn = tear === undefined || tear === 'lost' ? '' : `${tear.sectors.map(Number).join('')}${Number(tear.grown)}`;
  return `${id}${torn === '' ? '' : `/${torn}`}`;
}

function contents(durable: Uint8Array, kept: readonly Pending[], fate: Fate): Uint8Array {
  const ends = kept.map(({ event }) => (event.kind === 'write' ? event.offset + event.bytes.length : 0));
  const buffer = new Uint8Array(Math.max(durable.length, ...ends, ...sizesOf(kept)));
  buffer.set(durable);
  let size = durable.length;
  for (const { id, event } of kept) {
    if (event.kind === 'truncate') {
      buffer.fill(0, event.size);
      size = event.size;
    } else if (event.kind === 'write') {
      const tear = fate.get(id);
      size = Math.max(size, written(buffer, event, tear === 'lost' ? undefined : tear));
    }
  }
  return buffer.subarray(0, size);
}

function sizesOf(kept: readonly Pending[]): readonly number[] {
  return kept.map(({ event }) => (event.kind === 'truncate' ? event.size : 0));
}

/** Puts what arrived of a write into the file; answers the least size that the file then has. */
function written(buffer: Uint8Array, event: Extract<DiskEvent, { kind: 'write' }>, tear: Tear | undefined): number {
  const { offset, bytes } = event;
  const end = offset + bytes.length;
  if (tear === undefined) {
    buffer.set(bytes, offset);
    return end;
  }
  const firstSector = Math.floor(offset / SECTOR);
  let reached = 0;
  for (const [index, kept] of tear.sectors.entries()) {
    if (kept) {
      const from = Math.max(offset, (firstSector + index) * SECTOR);
      const to = Math.min(end, (firstSector + index + 1) * SECTOR);
      buffer.set(bytes.subarray(from - offset, to - offset), from);
      reached = to;
    }
  }
  return tear.grown ? end : reached;
}
