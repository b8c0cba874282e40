// The connections of one participant life to its engine: requests that are late or lost, and go on when their sender is dead.
import { openMemoryResourceManager } from '../../src/participants/memory/resource-manager.ts';
import { EngineError, type ResourceManager } from '../../src/participants/resource-manager.ts';
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

/** One session at the engine, or the control connection. */
export interface Session {
  lost: boolean;
  lastArrival: number;
}

export const LOST: Reason = { code: 'ENGINE_UNAVAILABLE', message: 'the connection broke', retryable: true };

export class EngineWire {
  readonly host: Host;
  readonly engine: SimEngine;
  /** The engine's side of the adapter: what it does with a request that has arrived. */
  readonly server: ResourceManager;
  rates: () => EngineRates;
  #closed = false;

  constructor(host: Host, engine: SimEngine, rates: () => EngineRates) {
    this.host = host;
    this.engine = engine;
    this.rates = rates;
    const { world } = host;
    const clock = {
      ...host.clock,
      after: (delayMs: number, action: () => void) => world.after(delayMs, action),
    };
    this.server = openMemoryResourceManager({ engine, clock });
    host.onKill(() => this.close());
  }

  session(): Session {
    return { lost: false, lastArrival: 0 };
  }

  /** The participant is gone: the engine ends its sessions once it notices. */
  close(): void {
    this.host.world.after(this.host.chance.between(0, this.rates().noticeMs), () => {
      this.#closed = true;
      void this.server[Symbol.asyncDispose]();
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
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void): void => {
        world.after(this.latency(), () =>
          this.host.enter(() => (session.lost || isAnswerLost ? this.#lose(session, reject) : settle())),
        );
      };
      world.after(arrival - world.now, () => {
        if (isRequestLost || this.#closed) {
          answer(() => this.#lose(session, reject));
          return;
        }
        world.trace.say(this.engine.name, verb, tag);
        this.#act(action).then(
          (value) => {
            world.trace.say(this.engine.name, `${verb} done`, { tag, value });
            answer(() => resolve(value));
          },
          (error: unknown) => {
            world.trace.say(this.engine.name, `${verb} failed`, { tag, error });
            answer(() => reject(error));
          },
        );
      });
    });
  }

  async #act<T>(action: () => T | Promise<T>): Promise<T> {
    if (!this.engine.running) {
      throw new EngineError({ ...LOST, message: 'the engine is down' }, { sessionLost: true });
    }
    return await action();
  }

  #lose(session: Session, reject: (error: Error) => void): void {
    session.lost = true;
    reject(new EngineError(LOST, { sessionLost: true }));
  }
}
