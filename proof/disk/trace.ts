// Reads what strace recorded of one life of a log: which files it changed, what it synced, and what it told.
import type { DiskEvent } from './disk.ts';

/** Every call that changes a file, its name or its durability: one that the reader does not know must not go unnoticed. */
const CALLS = [
  'open,openat,openat2,creat,close,dup,dup2,dup3,fcntl',
  'write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,copy_file_range,sendfile',
  'fsync,fdatasync,sync_file_range,syncfs,sync,msync',
  'rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat',
];

/** The arguments with which strace writes what `TraceReader` reads: all threads in one file, whole buffers, in hexadecimal. */
export function recording(file: string): readonly string[] {
  return ['-xx', '-s', '1000000', '-o', file, '-e', `trace=${CALLS.join()}`];
}

/** An open file description: what it leads to, and where the next `write` of it goes. */
interface Descriptor {
  readonly inode: number | 'directory';
  offset: number;
}

const LINE = /^(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$/;
const RESULT = /\)? += (-?\d+)[^=]*$/;
const DIRECTORY = 'directory';

/** Follows the names and inodes of one directory through several lives. */
export class TraceReader {
  readonly #directory: string;
  /** The running kernel's view: what the next life sees, unless the power is cut. */
  readonly names = new Map<string, number>();
  #lastInode = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  newInode(): number {
    this.#lastInode += 1;
    return this.#lastInode;
  }

  /** The events of one life. @throws {Error} for a call on the directory that the model does not know. */
  read(text: string): readonly DiskEvent[] {
    const descriptors = new Map<number, Descriptor>();
    const unfinished = new Map<string, string>();
    const events: DiskEvent[] = [];
    for (const line of text.split('\n')) {
      const [, thread = '', call = '', rest = '', resumed = '', tail = ''] = LINE.exec(line) ?? [];
      const open = rest.indexOf(' <unfinished ...>');
      if (call !== '' && open >= 0) {
        // What it changes counts from its beginning, what it makes certain from its end.
        unfinished.set(thread, rest.slice(0, open));
        if (!ENDING.has(call)) {
          events.push(...this.#eventsOf(call, rest.slice(0, open), undefined, descriptors));
        }
        continue;
      }
      const name = call || resumed;
      const args = call === '' ? `${unfinished.get(thread) ?? ''}${tail}` : rest;
      const result = RESULT.exec(args);
      if (name === '' || result === null || (call === '' && !ENDING.has(name))) {
        continue;
      }
      const value = Number(result[1]);
      if (value >= 0) {
        events.push(...this.#eventsOf(name, args.slice(0, result.index), value, descriptors));
      }
    }
    return events;
  }

  #eventsOf(
    call: string,
    args: string,
    result: number | undefined,
    open: Map<number, Descriptor>,
  ): readonly DiskEvent[] {
    const fd = Number(/^\d+/.exec(args)?.[0] ?? -1);
    const file = open.get(fd);
    const strings = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) => unhex(match[1] ?? ''));
    const number = Number(/, (\d+)$/.exec(args)?.[1]);
    switch (call) {
      case 'open':
      case 'openat':
        return this.#opened(strings[0]?.toString() ?? '', args, result ?? -1, open);
      case 'close':
        open.delete(fd);
        return [];
      case 'rename':
        return this.#renamed(strings[0]?.toString() ?? '', strings[1]?.toString() ?? '');
      case 'unlink':
        return this.#unlinked(strings[0]?.toString() ?? '');
      case 'write':
        if (fd === 1) {
          return told(strings[0]?.toString() ?? '');
        }
        break;
      default:
    }
    if (file === undefined) {
      return this.#ours(strings) ? unknown(call, args) : [];
    }
    if (file.inode === DIRECTORY) {
      return call === 'fsync' || call === 'fdatasync' ? [{ kind: 'sync-names' }] : [];
    }
    const { inode } = file;
    // A write may be short. One whose end was not recorded was cut off by the end of the process, and counts whole.
    const bytes = (strings[0] ?? Buffer.alloc(0)).subarray(0, result);
    switch (call) {
      case 'fsync':
      case 'fdatasync':
        return [{ kind: 'sync', inode }];
      case 'ftruncate':
        return [{ kind: 'truncate', inode, size: number }];
      case 'pwrite64':
        return [{ kind: 'write', inode, offset: number, bytes }];
      case 'write':
        file.offset += bytes.length;
        return [{ kind: 'write', inode, offset: file.offset - bytes.length, bytes }];
      case 'fcntl':
        // Locks; and SQLite's question how a descriptor was opened.
        return /F_DUPFD/.test(args) ? unknown(call, args) : [];
      default:
        return unknown(call, args);
    }
  }

  #opened(path: string, args: string, fd: number, open: Map<number, Descriptor>): readonly DiskEvent[] {
    open.delete(fd);
    if (path === this.#directory) {
      open.set(fd, { inode: DIRECTORY, offset: 0 });
      return [];
    }
    const name = this.#nameOf(path);
    if (name === undefined || ignored(name)) {
      return [];
    }
    const known = this.names.get(name);
    const inode = known ?? this.newInode();
    this.names.set(name, inode);
    open.set(fd, { inode, offset: 0 });
    if (known === undefined) {
      return [{ kind: 'names', changes: [[name, inode]] }];
    }
    return args.includes('O_TRUNC') ? [{ kind: 'truncate', inode, size: 0 }] : [];
  }

  #renamed(from: string, to: string): readonly DiskEvent[] {
    const [source, target] = [this.#nameOf(from), this.#nameOf(to)];
    const inode = this.names.get(source ?? '');
    if (source === undefined || target === undefined || inode === undefined) {
      return [];
    }
    this.names.delete(source);
    this.names.set(target, inode);
    return [
      {
        kind: 'names',
        changes: [
          [source, undefined],
          [target, inode],
        ],
      },
    ];
  }

  #unlinked(path: string): readonly DiskEvent[] {
    const name = this.#nameOf(path);
    return name !== undefined && this.names.delete(name) ? [{ kind: 'names', changes: [[name, undefined]] }] : [];
  }

  #nameOf(path: string): string | undefined {
    return path.startsWith(`${this.#directory}/`) ? path.slice(this.#directory.length + 1) : undefined;
  }

  #ours(strings: readonly Buffer[]): boolean {
    return strings.some((text) => text.toString('latin1').startsWith(`${this.#directory}/`));
  }
}

/** Calls that count from their end. */
const ENDING = new Set(['open', 'openat', 'fsync', 'fdatasync']);

/** Shared memory is never on the disk, and the lock file is always empty. */
export function ignored(name: string): boolean {
  return name.endsWith('-shm') || name === 'lock.db';
}

function told(text: string): readonly DiskEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ kind: 'told', line }));
}

function unknown(call: string, args: string): never {
  throw new Error(`the recording has a call that the model of the disk does not know: ${call}(${args.slice(0, 100)})`);
}

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}
