// A TCP proxy between two parts of the system that can be told to misbehave as networks do.
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What a link does to the bytes of its connections.
 *
 * `latency`: each piece is late by `ms`, in order. `partition`: nothing passes, either way; `one-way`: nothing passes in one direction.
 * What was held passes when the link is healed, as TCP would send it again: late messages are part of the fault. `half-open`: the far
 * end is gone, the near end is not told before the link is healed. `reset`: each connection is reset after `bytes`. `refuse`: every
 * connection is reset at once.
 */
export type LinkFault =
  | { readonly kind: 'latency'; readonly ms: number }
  | { readonly kind: 'partition' }
  | { readonly kind: 'one-way'; readonly lost: Direction }
  | { readonly kind: 'half-open' }
  | { readonly kind: 'reset'; readonly bytes: number }
  | { readonly kind: 'refuse' };

/** `there` is from who dialled to who listens. */
export type Direction = 'there' | 'back';

export const LINK_FAULTS = ['latency', 'partition', 'one-way', 'half-open', 'reset', 'refuse'] as const;

export interface Link extends AsyncDisposable {
  readonly port: number;
  /** How many connections it carries now. */
  readonly connections: number;
  /** From now on, for open connections as for new ones; undefined heals. */
  fail(fault: LinkFault | undefined): void;
  /** What it carries goes to another port from now on, as behind an address that was switched; open connections are reset. */
  lead(target: number): void;
}

/** Listens on a free port of 127.0.0.1 and carries everything to `target` there, which need not listen yet. */
export async function openLink(target: number): Promise<Link> {
  const link = new ProxyLink(target);
  await link.listen();
  return link;
}

class ProxyLink implements Link {
  #target: number;
  readonly #server: Server;
  readonly #carriers = new Set<Carrier>();
  #fault: LinkFault | undefined;

  constructor(target: number) {
    this.#target = target;
    // `allowHalfOpen`: a connection that one side has finished still carries the other side's bytes.
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => this.#accept(near));
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') {
      throw new Error('the link is closed');
    }
    return address.port;
  }

  get connections(): number {
    return this.#carriers.size;
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(0, '127.0.0.1', resolve);
    await promise;
  }

  fail(fault: LinkFault | undefined): void {
    this.#fault = fault;
    for (const carrier of [...this.#carriers]) {
      carrier.fail(fault);
    }
  }

  lead(target: number): void {
    this.#target = target;
    this.#resetAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resetAll();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #resetAll(): void {
    for (const carrier of [...this.#carriers]) {
      carrier.reset();
    }
  }

  #accept(near: Socket): void {
    const carrier = new Carrier(near, this.#target, () => this.#carriers.delete(carrier));
    this.#carriers.add(carrier);
    carrier.fail(this.#fault);
  }
}

/** One connection: two sockets, and the bytes between them. */
class Carrier {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #onGone: () => void;
  #fault: LinkFault | undefined;
  #carried = 0;
  #isGone = false;

  constructor(near: Socket, target: number, onGone: () => void) {
    this.#near = near;
    this.#far = connect({ port: target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.#onGone = onGone;
    this.#carry(near, this.#far);
    this.#carry(this.#far, near);
  }

  fail(fault: LinkFault | undefined): void {
    const before = this.#fault;
    this.#fault = fault;
    this.#carried = 0;
    if (fault?.kind === 'refuse' || (before?.kind === 'half-open' && fault?.kind !== 'half-open')) {
      this.reset();
      return;
    }
    if (fault?.kind === 'half-open') {
      this.#far.resetAndDestroy();
    }
    // A socket that is not read from holds its bytes and its end, and lets the sender's buffers fill up.
    for (const [socket, direction] of [
      [this.#near, 'there'],
      [this.#far, 'back'],
    ] as const) {
      if (holds(fault, direction)) {
        socket.pause();
      } else {
        socket.resume();
      }
    }
  }

  reset(): void {
    if (!this.#isGone) {
      this.#isGone = true;
      this.#near.resetAndDestroy();
      this.#far.resetAndDestroy();
      this.#onGone();
    }
  }

  #carry(from: Socket, to: Socket): void {
    let queue: Promise<void> | undefined;
    /** In order, also where the latency ends between two pieces. */
    const inTurn = (act: () => void): void => {
      const late = this.#fault?.kind === 'latency' ? this.#fault.ms : 0;
      if (late === 0 && queue === undefined) {
        act();
        return;
      }
      const due = new Promise<void>((resolve) => setTimeout(resolve, late));
      const turn = (queue ?? due).then(() => due).then(act);
      queue = turn;
      void turn.then(() => {
        queue = queue === turn ? undefined : queue;
      });
    };
    from.on('data', (bytes: Buffer) => {
      inTurn(() => {
        if (!to.destroyed && !to.write(bytes) && !from.destroyed) {
          from.pause();
        }
        this.#count(bytes.length);
      });
    });
    to.on('drain', () => {
      if (!holds(this.#fault, from === this.#near ? 'there' : 'back')) {
        from.resume();
      }
    });
    from.on('end', () => inTurn(() => to.end()));
    from.on('error', () => this.#broke());
    from.on('close', () => this.#closed());
  }

  #count(bytes: number): void {
    this.#carried += bytes;
    if (this.#fault?.kind === 'reset' && this.#carried >= this.#fault.bytes) {
      this.reset();
    }
  }

  /** A broken socket breaks the other one, unless the fault is that the other one does not hear of it. */
  #broke(): void {
    if (this.#fault?.kind !== 'half-open') {
      this.reset();
    }
  }

  #closed(): void {
    if (this.#near.destroyed && this.#far.destroyed) {
      this.reset();
    } else if (this.#fault?.kind !== 'half-open' && this.#fault?.kind !== 'latency') {
      // Finished in order on one side: what is on its way to the other side is still written, then it ends, too.
      (this.#near.destroyed ? this.#far : this.#near).end();
    }
  }
}

function holds(fault: LinkFault | undefined, direction: Direction): boolean {
  switch (fault?.kind) {
    case 'partition':
    case 'half-open':
      return true;
    case 'one-way':
      return fault.lost === direction;
    default:
      return false;
  }
}
