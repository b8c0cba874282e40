// One end of a simulated stream: what a gRPC stream is to the code that reads and writes it.
import { Metadata } from '@grpc/grpc-js';
import type { Host } from './host.ts';
import type { Stream } from './network.ts';

type Listener = (value?: unknown) => void;

/** One end of a stream, with the few methods of a gRPC stream that the product uses. */
export class Duplex {
  readonly metadata = new Metadata();
  readonly #stream: Stream;
  readonly #host: Host;
  readonly #listeners = new Map<string, Listener[]>();
  /** On the wire to this end, oldest first: whatever becomes of single ones, the order stays. */
  readonly incoming: { readonly name: string; readonly value: unknown }[] = [];
  lastArrival = 0;

  constructor(stream: Stream, host: Host) {
    this.#stream = stream;
    this.#host = host;
  }

  readonly defer = (flush: () => void): void => {
    this.#host.world.after(0, () => this.#host.enter(flush));
  };

  on(name: string, listener: Listener): this {
    const listeners = this.#listeners.get(name) ?? [];
    this.#listeners.set(name, listeners);
    listeners.push(listener);
    return this;
  }

  once(name: string, listener: Listener): this {
    return this.on(name, listener);
  }

  /** As a gRPC server does it: an error that a handler emits ends the call with that status. */
  emit(name: string, value: unknown): boolean {
    if (name === 'error') {
      this.#stream.send(this, 'error', value);
    }
    return true;
  }

  write(frame: unknown): boolean {
    this.#stream.send(this, 'data', frame);
    return true;
  }

  end(): void {
    this.#stream.send(this, 'end', undefined);
  }

  cancel(): void {
    this.#stream.cancel(this);
  }

  /** The wire brings something to this end. */
  arrive(name: string, value: unknown): void {
    this.#host.enter(() => {
      for (const listener of this.#listeners.get(name) ?? []) {
        listener(value);
      }
    });
  }

  get host(): Host {
    return this.#host;
  }
}
