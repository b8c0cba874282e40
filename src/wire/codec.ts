// Codecs of our own, written from proto/ by `npm run gen`: between an object and its bytes without the second object that proto-loader
// makes each way, which costs more than the bytes do (ADR 9).
import protobuf, { type Reader } from 'protobufjs';
import { CODECS } from '../gen/codecs.ts';
import { countEntries } from './encoding/reading.ts';
import { WireWriter } from './encoding/writer.ts';

export interface Codec {
  /** @throws {TypeError} for what does not have the type's shape. */
  readonly encode: (message: object) => Buffer;
  /**
   * Fields of a newer protocol are skipped. `entriesMax` bounds the entries of all lists and the messages within this one, counted while
   * they are read: two bytes on the wire are a hundred in memory.
   * @throws {Error} for bytes that are no message, or where anything in it is cut short.
   * @throws {CoordinatorError} `LIMIT_FRAME` as soon as there are more.
   */
  readonly decode: (bytes: Buffer, entriesMax?: number) => object;
}

/** What is generated for a message. Which message it takes is known where the codec is asked for, by name. */
export interface GeneratedCodec {
  readonly write: (writer: WireWriter, message: never) => void;
  readonly read: (reader: Reader, end: number) => object;
}

const writer = new WireWriter();

/** The codec of a message by its full name. @throws {Error} when the generated code is of another protocol. */
export function codecOf(fullName: string): Codec {
  const generated: GeneratedCodec | undefined = CODECS[fullName as keyof typeof CODECS];
  if (generated === undefined) {
    throw new Error(`src/gen has no codec for ${fullName}: run \`npm run gen\`, or reinstall the package.`);
  }
  return codecFrom(generated);
}

/** All codecs write into one buffer: `encode` is synchronous, and copies out what it has written. */
export function codecFrom({ write, read }: GeneratedCodec): Codec {
  return {
    encode(message) {
      writer.begin();
      write(writer, message as never);
      return writer.finish();
    },
    decode(bytes, entriesMax = Number.POSITIVE_INFINITY) {
      countEntries(entriesMax);
      return read(protobuf.Reader.create(bytes), bytes.length);
    },
  };
}
