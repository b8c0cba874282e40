// Writes protobuf's encoding front to back into one buffer that is used again for the next message.

const CAPACITY = 64 * 1024;
/** A buffer that a large message has made larger than this is not kept. */
const KEPT_MAX = 1024 * 1024;
/** The longest varint. */
const VARINT_MAX = 10;
/** Up to this length a loop over the characters is faster than a call into Node. Below 128, so that the length takes one byte. */
const SHORT = 64;

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(CAPACITY);
  #at = 0;

  /** Whatever was written of a message that failed is forgotten. */
  begin(): void {
    this.#at = 0;
  }

  /** A copy of what was written since `begin`. */
  finish(): Buffer {
    const written = Buffer.allocUnsafe(this.#at);
    this.#bytes.copy(written, 0, 0, this.#at);
    if (this.#bytes.length > KEPT_MAX) {
      this.#bytes = Buffer.allocUnsafeSlow(CAPACITY);
    }
    return written;
  }

  /** Begins what is preceded by its length. @returns where, for `close`. */
  open(): number {
    this.#room(VARINT_MAX);
    this.#at += 1;
    return this.#at;
  }

  /** Writes the length before what was begun at `start`. One byte was left for it; what needs more is moved. */
  close(start: number): void {
    const length = this.#at - start;
    if (length < 0x80) {
      this.#bytes[start - 1] = length;
      return;
    }
    const bytes = varintBytes(length);
    this.#room(bytes);
    this.#bytes.copyWithin(start - 1 + bytes, start, this.#at);
    this.#at = start - 1;
    this.uint32(length);
    this.#at += length;
  }

  uint32(value: number): void {
    this.#room(VARINT_MAX);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  /** A negative one takes ten bytes, as the encoding wants. */
  int32(value: number): void {
    if (value >= 0) {
      this.uint32(value);
    } else {
      this.#varint(BigInt.asUintN(64, BigInt(Math.trunc(value))));
    }
  }

  /** @throws {SyntaxError} for a text that is no integer. */
  uint64(value: number | string | object): void {
    const small = Number(value);
    if (small >= 0 && small <= 0xffffffff) {
      this.uint32(small);
    } else {
      this.#varint(BigInt.asUintN(64, BigInt(String(value))));
    }
  }

  /** Zigzag: small absolute values are short. @throws {SyntaxError} for a text that is no integer. */
  sint64(value: number | string | object): void {
    const small = Number(value);
    if (small >= -0x80000000 && small <= 0x7fffffff) {
      this.uint32((small << 1) ^ (small >> 31));
    } else {
      const whole = BigInt(String(value));
      this.#varint(BigInt.asUintN(64, (whole << 1n) ^ (whole >> 63n)));
    }
  }

  double(value: number | string): void {
    this.#room(8);
    this.#at = this.#bytes.writeDoubleLE(Number(value), this.#at);
  }

  /** Whoever calls from JavaScript may give something else than a text: it is written as proto-loader would write it. */
  string(value: unknown): void {
    const text = typeof value === 'string' ? value : String(value);
    const { length } = text;
    if (length > SHORT || !this.#ascii(text, length)) {
      const bytes = Buffer.byteLength(text);
      this.uint32(bytes);
      this.#room(bytes);
      this.#at += this.#bytes.write(text, this.#at);
    }
  }

  bytes(value: Uint8Array | string): void {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : value;
    this.uint32(bytes.length);
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Writes length and text if all of it is ASCII. */
  #ascii(text: string, length: number): boolean {
    this.#room(length + 1);
    const bytes = this.#bytes;
    const start = this.#at + 1;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) {
        return false;
      }
      bytes[start + index] = code;
    }
    bytes[start - 1] = length;
    this.#at = start + length;
    return true;
  }

  #varint(value: bigint): void {
    this.#room(VARINT_MAX);
    let rest = value;
    while (rest > 0x7fn) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  #room(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + bytes));
      this.#bytes.copy(larger, 0, 0, this.#at);
      this.#bytes = larger;
    }
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) {
    bytes += 1;
  }
  return bytes;
}
