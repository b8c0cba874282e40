// Requests as a server reads them: counted while they are read. grpc-js answers a decoder that throws with INTERNAL and without a word,
// so a request with too much in it is read as an empty one that carries its refusal, and the handler answers with that.
import { CoordinatorError } from '../xa/errors.ts';
import { FRAME_MESSAGES_MAX, HELLO_MAX_MS, LIST_ENTRIES_MAX } from '../xa/limits.ts';
import type { Codec } from './codec.ts';
import { isTooMany } from './encoding/reading.ts';

const refusals = new WeakMap<object, CoordinatorError>();
const NOTHING = Buffer.alloc(0);

/** @throws {Error} for bytes that are no message. */
export function readRequest(codec: Codec, bytes: Buffer): object {
  try {
    return codec.decode(bytes, LIST_ENTRIES_MAX);
  } catch (error) {
    if (!isTooMany(error)) {
      throw error;
    }
    const empty = codec.decode(NOTHING);
    refusals.set(empty, error);
    return empty;
  }
}

/** @throws {CoordinatorError} `LIMIT_FRAME`: the request had more entries in its lists than were read. */
export function checkRequest(request: object): void {
  const refusal = refusals.get(request);
  if (refusal !== undefined) {
    throw refusal;
  }
}

/** The same for a frame of a stream, whose messages are counted too. @throws {CoordinatorError} `LIMIT_FRAME` */
export function checkFrame(frame: object, messages: readonly unknown[], what: 'calls' | 'messages' = 'messages'): void {
  checkRequest(frame);
  if (messages.length > FRAME_MESSAGES_MAX) {
    throw new CoordinatorError(
      'LIMIT_FRAME',
      `a frame carries ${messages.length} ${what}, and at most ${FRAME_MESSAGES_MAX} are taken`,
    );
  }
}

/** For a stream that holds a place and does not say whose. */
export function noHello(peer: 'client' | 'participant'): string {
  return `the ${peer} did not say hello within ${HELLO_MAX_MS / 1_000} s of opening its stream`;
}
