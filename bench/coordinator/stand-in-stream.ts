// One end of a gRPC stream that a session of the coordinator serves, without gRPC: what is sent in one turn of the event loop arrives
// as frames in the next.
import { EventEmitter } from 'node:events';
import { Metadata } from '@grpc/grpc-js';
import { FRAME_MESSAGES_MAX } from '../../src/xa/limits.ts';
import type { Line } from './line.ts';

/** `Heard`: messages of the coordinator. `Said`: messages to it, in which absent fields stand for their defaults. */
export class StandInStream<Heard, Said extends object> extends EventEmitter implements Line<Said> {
  readonly metadata = new Metadata();
  readonly #hear: (message: Heard) => void;
  #said: Said[] = [];

  constructor(hear: (message: Heard) => void) {
    super();
    this.#hear = hear;
  }

  /** Called by the session. */
  write({ messages }: { readonly messages: readonly Heard[] }): boolean {
    setImmediate(() => {
      for (const message of messages) {
        this.#hear(message);
      }
    });
    return true;
  }

  /** Called by the session. */
  end(): void {}

  say(message: Said): void {
    if (this.#said.push(message) === 1) {
      setImmediate(() => this.#deliver());
    }
  }

  hangUp(): void {
    setImmediate(() => this.emit('end'));
  }

  #deliver(): void {
    const said = this.#said;
    this.#said = [];
    for (let at = 0; at < said.length; at += FRAME_MESSAGES_MAX) {
      this.emit('data', { messages: said.slice(at, at + FRAME_MESSAGES_MAX) });
    }
  }
}
