// The requests that we send, as whole frames: a text query, prepare, execute, close. Pure.
import type { SqlValue } from '../../resource-manager.ts';
import { TYPE } from './types.ts';

const COM_QUERY = 0x03;
const COM_STMT_PREPARE = 0x16;
const COM_STMT_EXECUTE = 0x17;
const COM_STMT_CLOSE = 0x19;
const COM_RESET_CONNECTION = 0x1f;

/** One frame carries less than 16 MiB; what applications may send is far below. */
const FRAME_BYTES_MAX = 0xffffff - 1;
const UNSIGNED = 0x80;
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MIN = -(2n ** 63n);
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/;

/** A parameter that the protocol cannot carry. */
export class ParameterError extends Error {
  override readonly name = 'ParameterError';
}

function frame(command: number, body: Buffer): Buffer {
  if (body.length > FRAME_BYTES_MAX) {
    throw new ParameterError(`the statement and its parameters have ${body.length} bytes, more than one packet holds`);
  }
  const bytes = Buffer.allocUnsafe(5 + body.length);
  bytes.writeUIntLE(body.length + 1, 0, 3);
  bytes[3] = 0;
  bytes[4] = command;
  body.copy(bytes, 5);
  return bytes;
}

/** Several statements in one text stop at the first that fails. */
export function queryFrame(sql: string): Buffer {
  return frame(COM_QUERY, Buffer.from(sql));
}

/** The server takes exactly one statement here, whatever the connection allows elsewhere. */
export function prepareFrame(sql: string): Buffer {
  return frame(COM_STMT_PREPARE, Buffer.from(sql));
}

/**
 * Gives the session back as new: variables, locks, temporary tables and prepared statements are gone; its database and its role stay.
 * Never in a session that has a prepared branch: MariaDB then loses the branch until its next restart, and MySQL crashes.
 */
export function resetFrame(): Buffer {
  return frame(COM_RESET_CONNECTION, Buffer.alloc(0));
}

/** Has no answer. */
export function closeFrame(statementId: number): Buffer {
  const body = Buffer.allocUnsafe(4);
  body.writeUInt32LE(statementId);
  return frame(COM_STMT_CLOSE, body);
}

/** Values go in binary, next to the statement and never into it. @throws {ParameterError} */
export function executeFrame(statementId: number, parameters: readonly SqlValue[]): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt32LE(statementId, 0);
  head.writeUInt32LE(1, 5);
  if (parameters.length === 0) {
    return frame(COM_STMT_EXECUTE, head);
  }
  const nulls = Buffer.alloc((parameters.length + 7) >> 3);
  const types = Buffer.alloc(1 + 2 * parameters.length);
  types[0] = 1;
  const values: Buffer[] = [];
  for (const [i, parameter] of parameters.entries()) {
    const { type, flags, bytes } = encode(parameter);
    types[1 + 2 * i] = type;
    types[2 + 2 * i] = flags;
    if (parameter.kind === 'null') {
      nulls[i >> 3] = (nulls[i >> 3] ?? 0) | (1 << (i & 7));
    } else {
      values.push(...bytes);
    }
  }
  return frame(COM_STMT_EXECUTE, Buffer.concat([head, nulls, types, ...values]));
}

interface Encoded {
  readonly type: number;
  readonly flags: number;
  readonly bytes: readonly Buffer[];
}

function encode(value: SqlValue): Encoded {
  switch (value.kind) {
    case 'null':
      return { type: TYPE.NULL, flags: 0, bytes: [] };
    case 'bool':
      return { type: TYPE.TINY, flags: 0, bytes: [Buffer.from([value.value ? 1 : 0])] };
    case 'int':
      return encodeInteger(value.value);
    case 'double': {
      if (!Number.isFinite(value.value)) {
        throw new ParameterError(`MySQL and MariaDB have no ${value.value}`);
      }
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeDoubleLE(value.value);
      return { type: TYPE.DOUBLE, flags: 0, bytes: [bytes] };
    }
    case 'bytes':
      // As BLOB the server takes it for binary; as a string it would be converted from the connection's character set.
      return { type: TYPE.BLOB, flags: 0, bytes: chunk(Buffer.from(value.value)) };
    case 'decimal':
      if (!DECIMAL.test(value.value)) {
        throw new ParameterError('a decimal parameter is not a number');
      }
      return { type: TYPE.NEWDECIMAL, flags: 0, bytes: chunk(Buffer.from(value.value)) };
    case 'text':
    case 'json':
    case 'timestamp':
      return { type: TYPE.VAR_STRING, flags: 0, bytes: chunk(Buffer.from(value.value)) };
  }
}

function encodeInteger(value: bigint): Encoded {
  const bytes = Buffer.allocUnsafe(8);
  if (value > INT64_MAX && value <= UINT64_MAX) {
    bytes.writeBigUInt64LE(value);
    return { type: TYPE.LONGLONG, flags: UNSIGNED, bytes: [bytes] };
  }
  if (value < INT64_MIN || value > UINT64_MAX) {
    throw new ParameterError('an integer parameter has more than 64 bits');
  }
  bytes.writeBigInt64LE(value);
  return { type: TYPE.LONGLONG, flags: 0, bytes: [bytes] };
}

function chunk(bytes: Buffer): readonly Buffer[] {
  const length = bytes.length;
  if (length < 251) {
    return [Buffer.from([length]), bytes];
  }
  const prefix = Buffer.alloc(4);
  prefix[0] = 0xfd;
  prefix.writeUIntLE(Math.min(length, 0xffffff), 1, 3);
  return [prefix, bytes];
}
