// The connections of one participant life to its engine: requests that are late or lost, and go on when their sender is dead.

import { EngineError, otherEngine, type ResourceManager } from '../../src/participants/resource-manager.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import type { Reason } from '../../src/xa/vocabulary.ts';
import type { SimEngine } from './engine.ts';
import type { Host } from './host.ts';

export interface EngineRates {
  readonly latencyMs: number;
  readonly slow: number;
  readonly slowMs: number;
  readonly lostRequest: number;
  readonly lostAnswer: number;
  /** Of a finish that is answered "not yet" or "unknown" although nothing is wrong: MariaDB's false "unknown xid". */
  readonly falseUnknown: number;
  /** The engine notices a dead peer after at most so long, and carries out until then what is on the wire (zombie prepares). */
  readonly noticeMs: number;
}

/** Where a participant reaches its database: another one may answer there for a while, and everything that was connected is cut. */
export class Address {
  #engine: SimEngine;
  #moves = 0;

  constructor(engine: SimEngine) {
    this.#engine = engine;
  }

  get engine(): SimEngine {
    return this.#engine;
  }

  /** A connection made before the last of them is cut. */
  get moves(): number {
    return this.#moves;
  }

  moveTo(engine: SimEngine): void {
    if (engine !== this.#engine) {
      this.#engine.endSessions('the connection was cut');
      this.#engine = engine;
      this.#moves += 1;
    }
  }
}

/** One session at the engine, or the control connection. */
export interface Session {
  lost: boolean;
  lastArrival: number;
  /** How often the address had moved when it was connected. */
  readonly moves: number;
}

export const LOST: Reason = { code: 'ENGINE_UNAVAILABLE', message: 'the connection broke', retryable: true };

export class EngineWire {
  readonly host: Host;
  rates: () => EngineRates;
  readonly #address: Address;
  readonly #servers = new Map<SimEngine, ResourceManager>();
  #expected: string | undefined;
  #closed = false;

  constructor(host: Host, address: Address, rates: () => EngineRates) {
    this.host = host;
    this.#address = address;
    this.rates = rates;
    host.onKill(() => this.close());
  }

  /** The one that answers now. */
  get engine(): SimEngine {
    return this.#address.engine;
  }

  /** That engine's side of the adapter: what it does with a request that has arrived. */
  get server(): ResourceManager {
    const { engine } = this;
    const { world } = this.host;
    const after = (delayMs: number, action: () => void) => world.after(delayMs, action);
    const known = this.#servers.get(engine);
    const server = known ?? openMemoryResourceManager({ engine, clock: { ...this.host.clock, after } });
    this.#servers.set(engine, server);
    return server;
  }

  session(): Session {
    return { lost: false, lastArrival: 0, moves: this.#address.moves };
  }

  expectIdentity(identity: string): void {
    this.#expected = identity;
  }

  /** The participant is gone: the engine ends its sessions once it notices. */
  close(): void {
    this.host.world.after(this.host.chance.between(0, this.rates().noticeMs), () => {
      this.#closed = true;
      for (const server of this.#servers.values()) {
        void server[Symbol.asyncDispose]();
      }
    });
  }

  latency(): number {
    const { latencyMs, slow, slowMs } = this.rates();
    const { chance } = this.host;
    return chance.happens(slow) ? chance.between(0, slowMs) : latencyMs * (0.5 + chance.next());
  }

  /**
   * One request and its answer. @throws {EngineError} of the engine, or that the connection broke: then `session` is lost, and what
   * the engine did is not known.
   */
  call<T>(verb: string, session: Session, action: () => T | Promise<T>, tag = ''): Promise<T> {
    const { world, chance } = this.host;
    const { lostRequest, lostAnswer } = this.rates();
    const isRequestLost = chance.happens(lostRequest);
    const isAnswerLost = !isRequestLost && chance.happens(lostAnswer);
    const arrival = Math.max(session.lastArrival, world.now + this.latency());
    session.lastArrival = arrival;
    const { engine } = this;
    const isCut = (): boolean => session.moves !== this.#address.moves;
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void): void => {
        world.after(this.latency(), () =>
          this.host.enter(() => (session.lost || isAnswerLost || isCut() ? this.#lose(session, reject) : settle())),
        );
      };
      world.after(arrival - world.now, () => {
        if (isRequestLost || this.#closed || isCut()) {
          answer(() => this.#lose(session, reject));
          return;
        }
        world.trace.say(engine.name, verb, tag);
        this.#act(engine, verb, action).then(
          (value) => {
            world.trace.say(engine.name, `${verb} done`, { tag, value });
            answer(() => resolve(value));
          },
          (error: unknown) => {
            world.trace.say(engine.name, `${verb} failed`, { tag, error });
            answer(() => reject(error));
          },
        );
      });
    });
  }

  async #act<T>(engine: SimEngine, verb: string, action: () => T | Promise<T>): Promise<T> {
    if (!engine.running) {
      throw new EngineError({ ...LOST, message: 'the engine is down' }, { sessionLost: true });
    }
    if (verb !== 'identify' && this.#expected !== undefined && engine.identity !== this.#expected) {
      throw otherEngine(this.#expected, engine.identity);
    }
    return await action();
  }

  #lose(session: Session, reject: (error: Error) => void): void {
    session.lost = true;
    reject(new EngineError(LOST, { sessionLost: true }));
  }
}
