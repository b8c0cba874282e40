// The messages of one batch, in one buffer: the driver has one for each message, and a branch's end is a dozen statements of two each.
// PostgreSQL's documentation, 54.7, has the formats.
/** A statement of the extended protocol. Parameters are never part of its text. */
export interface BatchStep {
  readonly text: string;
  readonly values?: readonly (string | Buffer | null)[];
  /** Type OIDs of the first parameters; 0 or absent: the engine infers. */
  readonly types?: readonly number[];
  /** Ask for the columns' names and types. */
  readonly describe?: boolean;
  /** Of the parsed statement at the server; absent: it is not kept. */
  readonly name?: string;
  /** The server knows the name already. */
  readonly isParsed?: boolean;
}

const [PARSE, BIND, DESCRIBE, EXECUTE, CLOSE, SYNC] = [0x50, 0x42, 0x44, 0x45, 0x43, 0x53] as const;
const [PORTAL, STATEMENT] = [0x50, 0x53] as const;
const [TEXT, BINARY] = [0, 1] as const;
const NULL_LENGTH = -1;
/** UTF-8 has at most so many bytes for a character of JavaScript. */
const BYTES_OF_CHARACTER = 3;

/** The messages of one batch are gathered here, and copied when they are complete. */
let gathered = Buffer.alloc(16 * 1024);
/** What is kept of it between batches, at most. */
const KEPT_BYTES_MAX = 256 * 1024;

/** @param dropped names that the server is to forget. */
export function batchFrame(steps: readonly BatchStep[], dropped: readonly string[]): Buffer {
  let at = 0;
  for (const name of dropped) {
    room(at, 16 + name.length * BYTES_OF_CHARACTER);
    at = message(CLOSE, at, name, STATEMENT);
  }
  for (const { text, values = [], types = [], name = '', isParsed = false, describe = false } of steps) {
    room(at, 128 + (text.length + 2 * name.length) * BYTES_OF_CHARACTER + 4 * types.length + bytesMax(values));
    if (!isParsed) {
      at = parse(at, name, text, types);
    }
    at = bind(at, name, values);
    at = describe ? message(DESCRIBE, at, '', PORTAL) : at;
    at = execute(at);
  }
  room(at, 16);
  const frame = Buffer.from(gathered.subarray(0, message(SYNC, at)));
  if (gathered.length > KEPT_BYTES_MAX) {
    gathered = Buffer.alloc(KEPT_BYTES_MAX);
  }
  return frame;
}

function bytesMax(values: readonly (string | Buffer | null)[]): number {
  return values.reduce<number>((sum, value) => sum + 8 + (value?.length ?? 0) * BYTES_OF_CHARACTER, 0);
}

function room(at: number, bytes: number): void {
  if (at + bytes > gathered.length) {
    const larger = Buffer.alloc(2 * (at + bytes));
    gathered.copy(larger, 0, 0, at);
    gathered = larger;
  }
}

/** Each returns where the next message begins. */
function message(code: number, start: number, name?: string, of?: number): number {
  let at = start + 5;
  if (of !== undefined) {
    gathered[at] = of;
    at = cstring(at + 1, name ?? '');
  }
  return closed(code, start, at);
}

function parse(start: number, name: string, text: string, types: readonly number[]): number {
  let at = int16(cstring(cstring(start + 5, name), text), types.length);
  for (const type of types) {
    at = gathered.writeUInt32BE(type, at);
  }
  return closed(PARSE, start, at);
}

function bind(start: number, name: string, values: readonly (string | Buffer | null)[]): number {
  let at = int16(cstring(cstring(start + 5, ''), name), values.length);
  for (const value of values) {
    at = int16(at, Buffer.isBuffer(value) ? BINARY : TEXT);
  }
  at = int16(at, values.length);
  for (const value of values) {
    if (value === null) {
      at = gathered.writeInt32BE(NULL_LENGTH, at);
    } else {
      const length = Buffer.isBuffer(value) ? value.copy(gathered, at + 4) : gathered.write(value, at + 4);
      gathered.writeInt32BE(length, at);
      at += 4 + length;
    }
  }
  return closed(BIND, start, int16(int16(at, 1), TEXT));
}

/** All rows. */
function execute(start: number): number {
  return closed(EXECUTE, start, gathered.writeInt32BE(0, cstring(start + 5, '')));
}

function cstring(at: number, text: string): number {
  const end = text === '' ? at : at + gathered.write(text, at);
  gathered[end] = 0;
  return end + 1;
}

function int16(at: number, value: number): number {
  gathered[at] = value >> 8;
  gathered[at + 1] = value & 0xff;
  return at + 2;
}

function closed(code: number, start: number, end: number): number {
  gathered[start] = code;
  gathered.writeInt32BE(end - start - 1, start + 1);
  return end;
}
