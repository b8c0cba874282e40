// Messages of Concordat's streams, counted in what goes over a connection: HTTP/2 frames hold gRPC messages, and each of those is a
// batch of ours.
import type { Meter } from './tap.ts';

/** What a client of HTTP/2 says first (RFC 9113, 3.4). */
const PREFACE_BYTES = 24;
/** Length, type, flags and stream of a frame (RFC 9113, 4.1). */
const FRAME_HEAD_BYTES = 9;
const DATA = 0;
/** Whether it is compressed, and the length of a gRPC message. */
const MESSAGE_HEAD_BYTES = 5;
/** The batch is field 1 of each of our frames, in every stream. */
const MESSAGES_FIELD = 1;

export class Messages {
  count = 0;

  /** For a connection. */
  meter(): Meter {
    const there = new Direction(PREFACE_BYTES);
    const back = new Direction(0);
    return {
      there: (bytes) => {
        this.count += there.take(bytes);
      },
      back: (bytes) => {
        this.count += back.take(bytes);
      },
    };
  }
}

class Direction {
  #skip: number;
  #bytes: Buffer = Buffer.alloc(0);
  /** What came of a gRPC message that is not whole, by stream. */
  readonly #streams = new Map<number, Buffer>();

  constructor(skip: number) {
    this.#skip = skip;
  }

  /** @returns how many messages are whole with these bytes. */
  take(bytes: Buffer): number {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const skipped = Math.min(this.#skip, this.#bytes.length);
    this.#bytes = this.#bytes.subarray(skipped);
    this.#skip -= skipped;
    let messages = 0;
    while (this.#bytes.length >= FRAME_HEAD_BYTES) {
      const length = this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < FRAME_HEAD_BYTES + length) {
        break;
      }
      if (this.#bytes[3] === DATA) {
        const stream = this.#bytes.readUInt32BE(5);
        messages += this.#data(stream, this.#bytes.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + length));
      }
      this.#bytes = this.#bytes.subarray(FRAME_HEAD_BYTES + length);
    }
    return messages;
  }

  #data(stream: number, data: Buffer): number {
    let bytes = Buffer.concat([this.#streams.get(stream) ?? Buffer.alloc(0), data]);
    let messages = 0;
    while (bytes.length >= MESSAGE_HEAD_BYTES) {
      const end = MESSAGE_HEAD_BYTES + bytes.readUInt32BE(1);
      if (bytes.length < end) {
        break;
      }
      messages += batchLength(bytes.subarray(MESSAGE_HEAD_BYTES, end));
      bytes = bytes.subarray(end);
    }
    this.#streams.set(stream, bytes);
    return messages;
  }
}

/** How often field 1 is in a protobuf message whose fields are all lengths and bytes, as batches are. */
function batchLength(message: Buffer): number {
  let messages = 0;
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) {
        return value;
      }
    }
  };
  while (at < message.length) {
    messages += varint() >> 3 === MESSAGES_FIELD ? 1 : 0;
    const length = varint();
    at += length;
  }
  return messages;
}
