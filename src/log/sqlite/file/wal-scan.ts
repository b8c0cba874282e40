// Reads a WAL file before SQLite does: SQLite drops everything behind the first bad frame without a word.
// Layout and checksum: https://sqlite.org/fileformat2.html#walformat
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;
/** Frames read at once. */
const CHUNK_FRAMES = 256;

type Checksum = readonly [number, number];

/**
 * Looks for damage that cannot be the trace of a crash.
 *
 * A crash may leave the last transaction of a WAL torn: it was never acknowledged, and is rightly dropped. But a
 * transaction is written only after the one before it was synced (`synchronous = FULL`). So when a bad frame is followed by
 * the intact end of a transaction *and* by an intact frame of a later one, synced data has changed.
 * @returns undefined, or a sentence about the damage. Damage in the last two transactions is left to the high-water mark.
 */
export function scanWal(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  try {
    return scanFile(file, fstatSync(file).size);
  } finally {
    closeSync(file);
  }
}

function scanFile(file: number, size: number): string | undefined {
  const header = readAt(file, 0, Math.min(size, HEADER_BYTES));
  if (header.every((byte) => byte === 0)) {
    // Nothing was synced yet; SQLite starts over. What should have been here, the high-water mark knows.
    return undefined;
  }
  const bigEndian = header.length === HEADER_BYTES && header.readUInt32BE(0) === MAGIC + 1;
  if (header.length < HEADER_BYTES || (!bigEndian && header.readUInt32BE(0) !== MAGIC)) {
    return 'the WAL does not start like one';
  }
  const start = checksum(bigEndian, [0, 0], header.subarray(0, 24));
  if (!matches(start, header, 24)) {
    return 'the header of the WAL does not match its checksum';
  }
  const pageBytes = header.readUInt32BE(8);
  if (pageBytes < 512 || pageBytes > 65536 || (pageBytes & (pageBytes - 1)) !== 0) {
    return `the WAL has pages of ${pageBytes} bytes`;
  }
  return scanFrames(file, size, { pageBytes, bigEndian, salts: header.subarray(16, 24) }, start);
}

interface Wal {
  readonly pageBytes: number;
  readonly bigEndian: boolean;
  readonly salts: Buffer;
}

function scanFrames(file: number, size: number, wal: Wal, start: Checksum): string | undefined {
  const frameBytes = FRAME_HEADER_BYTES + wal.pageBytes;
  const frames = Math.floor((size - HEADER_BYTES) / frameBytes);
  let previous = start;
  let firstBad: number | undefined;
  let badTransactionEnded = false;
  for (let first = 0; first < frames; first += CHUNK_FRAMES) {
    const count = Math.min(CHUNK_FRAMES, frames - first);
    const chunk = readAt(file, HEADER_BYTES + first * frameBytes, count * frameBytes);
    for (let index = 0; index < count; index += 1) {
      const frame = chunk.subarray(index * frameBytes, (index + 1) * frameBytes);
      const intact = isIntact(frame, wal, previous);
      if (intact && badTransactionEnded) {
        return `frame ${(firstBad ?? 0) + 1} of the WAL is damaged, and frame ${first + index + 1} proves that it had been synced`;
      }
      if (!intact) {
        firstBad ??= first + index;
      }
      // The last frame of a transaction carries the size of the database, the others 0; only an intact one is believed.
      badTransactionEnded ||= intact && firstBad !== undefined && frame.readUInt32BE(4) !== 0;
      // A frame's checksum goes on from the stored one before it, so that later frames can be judged behind a bad one.
      previous = [frame.readUInt32BE(16), frame.readUInt32BE(20)];
    }
  }
  return undefined;
}

/** Frames of an earlier round of the same file have other salts. */
function isIntact(frame: Buffer, wal: Wal, previous: Checksum): boolean {
  if (frame.compare(wal.salts, 0, 8, 8, 16) !== 0) {
    return false;
  }
  const head = checksum(wal.bigEndian, previous, frame.subarray(0, 8));
  return matches(checksum(wal.bigEndian, head, frame.subarray(FRAME_HEADER_BYTES)), frame, 16);
}

function matches([first, second]: Checksum, bytes: Buffer, offset: number): boolean {
  return bytes.readUInt32BE(offset) === first && bytes.readUInt32BE(offset + 4) === second;
}

function checksum(bigEndian: boolean, [start0, start1]: Checksum, bytes: Buffer): Checksum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let s0 = start0 | 0;
  let s1 = start1 | 0;
  for (let offset = 0; offset < bytes.byteLength; offset += 8) {
    s0 = (s0 + view.getInt32(offset, !bigEndian) + s1) | 0;
    s1 = (s1 + view.getInt32(offset + 4, !bigEndian) + s0) | 0;
  }
  return [s0 >>> 0, s1 >>> 0];
}

function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const got = readSync(file, bytes, filled, length - filled, position + filled);
    if (got === 0) {
      break;
    }
    filled += got;
  }
  return bytes;
}
