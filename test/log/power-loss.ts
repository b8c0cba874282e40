// Power losses out of a trace: which writes and syncs a run made is recorded by strace, and any moment of it can be cut off, with
// every write that was not synced by then present, missing or torn.
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

type TraceEvent = { readonly at: number } & (
  | { readonly kind: 'create' | 'sync'; readonly file: string }
  | { readonly kind: 'write'; readonly file: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: string; readonly size: number }
  | { readonly kind: 'rename'; readonly file: string; readonly to: string }
  | { readonly kind: 'told'; readonly text: string }
);

/** The arguments with which strace records what `readTrace` reads: one file for each thread, whole buffers, in hexadecimal. */
export function recording(prefix: string): readonly string[] {
  const calls = 'openat,pwrite64,write,fsync,fdatasync,ftruncate,rename';
  return ['-ff', '-y', '-ttt', '-T', '-xx', '-s', '100000', '-o', prefix, '-e', `trace=${calls}`];
}

const CALL = /^(\d+\.\d+) (\w+)\((.*)\) = (-?\d+).*<(\d+\.\d+)>$/;

/** What happened to the files of `directory`, and what was told on standard output, in order. */
export async function readTrace(prefix: string, directory: string): Promise<readonly TraceEvent[]> {
  const folder = dirname(prefix);
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${basename(prefix)}.`));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')));
  const offsets = new Map<string, number>();
  return texts
    .flatMap((text) => text.split('\n').flatMap((line) => eventOf(line, directory, offsets)))
    .sort((left, right) => left.at - right.at);
}

function eventOf(line: string, directory: string, offsets: Map<string, number>): readonly TraceEvent[] {
  const [, start = '', call = '', args = '', result = '', took = ''] = CALL.exec(line) ?? [];
  if (call === '' || Number(result) < 0) {
    return [];
  }
  const at = Number(start);
  const descriptor = /^\d+<([^>]*)>/.exec(args);
  const path = unhex(descriptor?.[1] ?? '').toString();
  const strings = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) => unhex(match[1] ?? ''));
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = strings;
  if (call === 'write' && args.startsWith('1<')) {
    return [{ at, kind: 'told', text: first.toString() }];
  }
  if (call === 'openat' || call === 'rename') {
    const file = first.toString();
    if (!file.startsWith(`${directory}/`)) {
      return [];
    }
    if (call === 'rename') {
      return [{ at, kind: 'rename', file, to: second.toString() }];
    }
    offsets.set(file, 0);
    const truncated: readonly TraceEvent[] = args.includes('O_TRUNC') ? [{ at, kind: 'truncate', file, size: 0 }] : [];
    return args.includes('O_CREAT') ? [{ at, kind: 'create', file }, ...truncated] : [];
  }
  if (path !== directory && !path.startsWith(`${directory}/`)) {
    return [];
  }
  switch (call) {
    case 'fsync':
    case 'fdatasync':
      // It counts from its end: a cut in the middle of it may find anything.
      return [{ at: at + Number(took), kind: 'sync', file: path }];
    case 'ftruncate':
      return [{ at, kind: 'truncate', file: path, size: Number(/, (\d+)$/.exec(args)?.[1]) }];
    case 'pwrite64':
      return [{ at, kind: 'write', file: path, offset: Number(/, (\d+)$/.exec(args)?.[1]), bytes: first }];
    default: {
      const offset = offsets.get(path) ?? 0;
      offsets.set(path, offset + first.length);
      return [{ at, kind: 'write', file: path, offset, bytes: first }];
    }
  }
}

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}

interface FileState {
  /** What is certainly on the disk; undefined: not even the name. */
  durable: Buffer | undefined;
  pending: TraceEvent[];
}

const SECTOR = 512;

/**
 * The files after a power loss just before event number `cut`. `roll(n)` decides, with a number from 0 to n-1, what becomes of
 * each write that was not synced. With `trustSyncs` false no sync counts: what a disk that lies would leave.
 */
export function afterPowerLoss(
  initial: ReadonlyMap<string, Buffer>,
  events: readonly TraceEvent[],
  options: { readonly cut: number; readonly roll: (sides: number) => number; readonly trustSyncs: boolean },
): ReadonlyMap<string, Buffer> {
  const { cut, roll, trustSyncs } = options;
  const files = new Map<string, FileState>(
    [...initial].map(([name, bytes]) => [name, { durable: bytes, pending: [] }]),
  );
  const fileOf = (name: string): FileState => {
    const known = files.get(name) ?? { durable: undefined, pending: [] };
    files.set(name, known);
    return known;
  };
  for (const event of events.slice(0, cut)) {
    if (event.kind === 'sync') {
      const file = files.get(event.file);
      if (file !== undefined && trustSyncs) {
        file.durable = file.pending.reduce((bytes, one) => applied(bytes, one), file.durable ?? Buffer.alloc(0));
        file.pending = [];
      }
    } else if (event.kind === 'rename') {
      const source = files.get(event.file);
      files.delete(event.file);
      // A rename is not synced by anybody, and is there or not; both names lead to whole files.
      if (source !== undefined && (roll(2) === 0 || !files.has(event.to))) {
        files.set(event.to, source);
      }
    } else if (event.kind !== 'told') {
      fileOf(event.file).pending.push(event);
    }
  }
  const left = new Map<string, Buffer>();
  for (const [name, { durable, pending }] of files) {
    const survived = pending.filter((event) => event.kind === 'create' || roll(3) > 0);
    if (durable !== undefined || survived.length > 0) {
      left.set(
        name,
        survived.reduce((bytes, event) => applied(bytes, torn(event, roll)), durable ?? Buffer.alloc(0)),
      );
    }
  }
  return left;
}

/** One write in four loses some of its sectors. */
function torn(event: TraceEvent, roll: (sides: number) => number): TraceEvent {
  if (event.kind !== 'write' || roll(4) > 0) {
    return event;
  }
  const keep = roll(Math.ceil(event.bytes.length / SECTOR) + 1) * SECTOR;
  return roll(2) === 0
    ? { ...event, bytes: event.bytes.subarray(0, keep) }
    : { ...event, offset: event.offset + Math.min(keep, event.bytes.length), bytes: event.bytes.subarray(keep) };
}

function applied(bytes: Buffer, event: TraceEvent): Buffer {
  switch (event.kind) {
    case 'truncate':
      return Buffer.concat([bytes.subarray(0, event.size), Buffer.alloc(Math.max(0, event.size - bytes.length))]);
    case 'write': {
      const grown = Buffer.alloc(Math.max(bytes.length, event.offset + event.bytes.length));
      bytes.copy(grown);
      event.bytes.copy(grown, event.offset);
      return grown;
    }
    default:
      return bytes;
  }
}
