// The simulated network: ordered streams between two processes that are late, stall while their ends are cut off, and break.
import { Metadata } from '@grpc/grpc-js';
import type { Chance } from './chance.ts';
import { Duplex } from './duplex.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

export interface NetworkRates {
  readonly latencyMs: number;
  /** Of a message that takes up to `slowMs` instead. */
  readonly slow: number;
  readonly slowMs: number;
  /** Of a message that breaks its stream instead of arriving. */
  readonly broken: number;
  /** Of a first statement that comes once more, seconds later, at whichever sidecar of its database. */
  readonly late: number;
}

/** How frames of one call become bytes and again frames, each way: as gRPC does it. */
export interface Codec {
  readonly requestSerialize: (value: never) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (value: never) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
}

export class Stream {
  readonly near: Duplex;
  readonly far: Duplex;
  readonly #network: Network;
  readonly #codec: Codec;
  #broken = false;

  constructor(network: Network, codec: Codec, from: Host, to: Host) {
    this.#network = network;
    this.#codec = codec;
    this.near = new Duplex(this, from);
    this.far = new Duplex(this, to);
  }

  send(sender: Duplex, name: string, value: unknown): void {
    if (this.#broken) {
      return;
    }
    const receiver = sender === this.near ? this.far : this.near;
    const { world, chance, rates } = this.#network;
    if (name === 'data' && chance.happens(rates.broken)) {
      this.#network.say(`${sender.host.name}->${receiver.host.name}`, 'breaks');
      this.break();
      return;
    }
    receiver.incoming.push({ name, value: name === 'data' ? this.#copy(sender, value) : value });
    const arrival = Math.max(receiver.lastArrival, world.now + this.#network.latency());
    receiver.lastArrival = arrival;
    world.after(arrival - world.now, () => this.#network.whenConnected(this, () => this.#deliver(sender, receiver)));
  }

  /** The caller gives up: it hears nothing more, and the other end is told as soon as the wire allows. */
  cancel(sender: Duplex): void {
    if (!this.#broken) {
      this.#broken = true;
      const receiver = sender === this.near ? this.far : this.near;
      this.#network.tell(this, receiver, this.#network.latency());
    }
  }

  /** The connection is gone; each end notices after a while. What was on the wire is lost. */
  break(noticedWithinMs = 50): void {
    if (!this.#broken) {
      this.#broken = true;
      for (const end of [this.near, this.far]) {
        this.#network.tell(this, end, this.#network.chance.between(0, noticedWithinMs));
      }
    }
  }

  #copy(sender: Duplex, frame: unknown): unknown {
    const codec = this.#codec;
    return sender === this.near
      ? codec.requestDeserialize(codec.requestSerialize(frame as never))
      : codec.responseDeserialize(codec.responseSerialize(frame as never));
  }

  #deliver(sender: Duplex, receiver: Duplex): void {
    const next = receiver.incoming.shift();
    if (this.#broken || next === undefined) {
      return;
    }
    const { trace } = this.#network.world;
    if (trace.on) {
      trace.say(`${sender.host.name}->${receiver.host.name}`, next.name, next.value);
    }
    receiver.arrive(next.name, next.value);
  }
}

export class Network {
  readonly world: World;
  readonly chance: Chance;
  rates: NetworkRates;
  readonly #cut = new Set<Host>();
  #stalled: (() => void)[] = [];
  readonly #streams = new Set<Stream>();

  constructor(world: World, rates: NetworkRates) {
    this.world = world;
    this.chance = world.chance.fork();
    this.rates = rates;
  }

  latency(): number {
    const { latencyMs, slow, slowMs } = this.rates;
    return this.chance.happens(slow) ? this.chance.between(0, slowMs) : latencyMs * (0.5 + this.chance.next());
  }

  /** A stream from one living process to another, whose end is in the second. */
  open(codec: Codec, from: Host, to: Host): Stream {
    const stream = new Stream(this, codec, from, to);
    this.#streams.add(stream);
    for (const host of [from, to]) {
      // The machine's kernel closes what a dead process had open.
      host.onKill(() => stream.break(100));
    }
    return stream;
  }

  /** Nothing passes to or from this process; it waits on the way, as TCP keeps it. */
  cut(host: Host): void {
    this.#cut.add(host);
  }

  heal(host: Host): void {
    this.#cut.delete(host);
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const action of stalled) {
      this.world.after(0, action);
    }
  }

  isCut(one: Host, other: Host): boolean {
    return this.#cut.has(one) || this.#cut.has(other);
  }

  /** A message of a call, which is no stream: what does not arrive is not repeated. */
  losesCall(one: Host, other: Host): boolean {
    return this.isCut(one, other) || this.chance.happens(this.rates.broken);
  }

  whenConnected(stream: Stream, action: () => void): void {
    if (this.isCut(stream.near.host, stream.far.host)) {
      this.#stalled.push(() => this.whenConnected(stream, action));
    } else {
      action();
    }
  }

  /** One end hears that its stream is over; behind a cut it does not, as long as that lasts. */
  tell(stream: Stream, end: Duplex, delayMs: number): void {
    this.#streams.delete(stream);
    this.world.after(delayMs, () =>
      this.whenConnected(stream, () => {
        end.arrive('cancelled', undefined);
        end.arrive('error', unavailable());
        end.arrive('close', undefined);
      }),
    );
  }

  /** Breaks one of the open streams. */
  breakOne(): void {
    const streams = [...this.#streams];
    if (streams.length > 0) {
      this.chance.pick(streams).break();
    }
  }

  say(who: string, what: string): void {
    this.world.trace.say(who, what);
  }
}

/** What grpc-js makes of a connection that is gone. */
export function unavailable(): Error {
  return Object.assign(new Error('14 UNAVAILABLE: the connection is gone'), {
    code: 14,
    details: 'the connection is gone',
    metadata: new Metadata(),
  });
}
