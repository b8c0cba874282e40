// The packets of the MySQL protocol that we read: cursor, OK, ERR, column definition. Pure.
// https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html, https://mariadb.com/kb/en/clientserver-protocol/

/** Bits of the status that ends every answer. */
export const STATUS_IN_TRANSACTION = 0x0001;
export const STATUS_AUTOCOMMIT = 0x0002;
export const STATUS_MORE_RESULTS = 0x0008;
const STATUS_SESSION_STATE_CHANGED = 0x4000;

const UNSIGNED_FLAG = 0x20;
const TRACK_TRANSACTION_STATE = 5;

export interface OkPacket {
  readonly affectedRows: number;
  readonly insertId: bigint;
  readonly status: number;
  /** What the transaction has done so far, if that changed: eight letters or `_`, W and w among them for writes. */
  readonly transactionState: string | undefined;
}

/** An error in the server's words. */
export interface ServerError {
  readonly errno: number;
  readonly sqlstate: string;
  readonly message: string;
}

export interface ColumnDefinition {
  readonly name: string;
  readonly type: number;
  /** 63: binary, not text. */
  readonly charset: number;
  readonly unsigned: boolean;
  /** Digits of the fraction; 31: as many as the value has. */
  readonly decimals: number;
  /** MariaDB sends JSON as text; only its extended metadata tell. */
  readonly json: boolean;
}

/** Reads one packet's payload from front to back. Reading past the end throws a RangeError: the peer breaks the protocol. */
export class Cursor {
  readonly bytes: Buffer;
  offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
  }

  get atEnd(): boolean {
    return this.offset >= this.bytes.length;
  }

  uint(size: 1 | 2 | 3 | 4): number {
    const value = this.bytes.readUIntLE(this.offset, size);
    this.offset += size;
    return value;
  }

  /** A length-encoded integer. */
  lengthEncoded(): bigint {
    const first = this.uint(1);
    switch (first) {
      case 0xfc:
        return BigInt(this.uint(2));
      case 0xfd:
        return BigInt(this.uint(3));
      case 0xfe: {
        const value = this.bytes.readBigUInt64LE(this.offset);
        this.offset += 8;
        return value;
      }
      default:
        return BigInt(first);
    }
  }

  /** Length-encoded bytes, as a view: copy what must outlive the packet. */
  chunk(): Buffer {
    const first = this.bytes[this.offset] ?? 0;
    let length = first;
    if (first < 0xfb) {
      this.offset += 1;
    } else {
      length = Number(this.lengthEncoded());
    }
    const start = this.offset;
    this.offset += length;
    if (this.offset > this.bytes.length) {
      throw new RangeError('a length runs past the end of its packet');
    }
    return this.bytes.subarray(start, this.offset);
  }
}

export function isError(payload: Buffer): boolean {
  return payload[0] === 0xff;
}

/** Ends column definitions and rows: the protocol's EOF packet. */
export function isEof(payload: Buffer): boolean {
  return payload[0] === 0xfe && payload.length < 9;
}

export function eofStatus(payload: Buffer): number {
  return payload.length >= 5 ? payload.readUInt16LE(3) : 0;
}

export function readError(payload: Buffer): ServerError {
  const errno = payload.readUInt16LE(1);
  // The marker and the SQLSTATE are missing from errors that are sent before the handshake is over.
  const marked = payload[3] === 0x23;
  return {
    errno,
    sqlstate: marked ? payload.toString('latin1', 4, 9) : 'HY000',
    message: payload.toString('utf8', marked ? 9 : 3),
  };
}

export function readOk(payload: Buffer): OkPacket {
  const cursor = new Cursor(payload, 1);
  const affectedRows = Number(cursor.lengthEncoded());
  const insertId = cursor.lengthEncoded();
  const status = cursor.uint(2);
  cursor.uint(2);
  let transactionState: string | undefined;
  if ((status & STATUS_SESSION_STATE_CHANGED) !== 0 && !cursor.atEnd) {
    cursor.chunk();
    const changes = new Cursor(cursor.chunk());
    while (!changes.atEnd) {
      const type = changes.uint(1);
      const data = changes.chunk();
      if (type === TRACK_TRANSACTION_STATE) {
        transactionState = new Cursor(data).chunk().toString('latin1');
      }
    }
  }
  return { affectedRows, insertId, status, transactionState };
}

/** `extended`: MariaDB's metadata follow the names, because the client asked for them when it connected. */
export function readColumn(payload: Buffer, extended: boolean): ColumnDefinition {
  const cursor = new Cursor(payload);
  for (let skipped = 0; skipped < 4; skipped += 1) {
    cursor.chunk();
  }
  const name = cursor.chunk().toString('utf8');
  cursor.chunk();
  const json = extended && readFormat(cursor.chunk()) === 'json';
  cursor.uint(1);
  const charset = cursor.uint(2);
  cursor.uint(4);
  const type = cursor.uint(1);
  const flags = cursor.uint(2);
  const decimals = cursor.uint(1);
  return { name, type, charset, unsigned: (flags & UNSIGNED_FLAG) !== 0, decimals, json };
}

function readFormat(metadata: Buffer): string {
  const cursor = new Cursor(metadata);
  let format = '';
  while (!cursor.atEnd) {
    const kind = cursor.uint(1);
    const value = cursor.chunk();
    if (kind === 1) {
      format = value.toString('latin1');
    }
  }
  return format;
}
