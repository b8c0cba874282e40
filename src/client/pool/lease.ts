// One connection of a pool at work in one transaction, for all who ask the pool for one meanwhile: whose turn it is, and the end.
import type { Ambient, PooledConnection, ScopedTransaction } from '../scope/ambient.ts';
import type { Level } from '../scope/level.ts';
import { ended } from '../scope/propagation.ts';

/** What one asker got, instead of a connection of his own. */
export interface Handle {
  /** Where he was when he asked: a driver's callback may run elsewhere. */
  readonly level: Level;
}

/** Of one nested scope, or of the transaction. */
interface Turns {
  /** Whose statements are under way, or who has a transaction of his own open. */
  owner: Handle | undefined;
  unanswered: number;
  /** How deep in own transactions the connection was when the scope began to use it. */
  readonly depth: number;
  readonly waiting: { readonly handle: Handle; readonly wake: () => void }[];
}

export class Lease<Connection extends object> {
  readonly #ambient: Ambient;
  readonly #tx: ScopedTransaction;
  readonly #open: () => Promise<{ readonly connection: Connection; readonly enlisted: PooledConnection }>;
  readonly #turns = new Map<Level, Turns>();
  #opening: Promise<Connection> | undefined;
  #enlisted: PooledConnection | undefined;
  #isReleased = false;

  /** @param open takes a connection from the pool and into the transaction. */
  constructor(
    ambient: Ambient,
    tx: ScopedTransaction,
    open: () => Promise<{ readonly connection: Connection; readonly enlisted: PooledConnection }>,
  ) {
    this.#ambient = ambient;
    this.#tx = tx;
    this.#open = open;
  }

  /** The connection, enlisted at the first call. @throws as `Transaction.enlist`, or the pool. */
  connection(): Promise<Connection> {
    this.#opening ??= this.#begin();
    return this.#opening;
  }

  async #begin(): Promise<Connection> {
    const { connection, enlisted } = await this.#open();
    this.#enlisted = enlisted;
    void enlisted.released.then(() => {
      this.#isReleased = true;
    });
    return connection;
  }

  /**
   * The handle is about to send something. Undefined: now. Otherwise resolves when it is its turn: own transactions of two handles on one
   * connection would be undone by one another. `answered` has to follow.
   * @throws {ConcordatError} TXN_STATE: the transaction has ended, and the connection works for somebody else.
   */
  turn(handle: Handle): Promise<void> | undefined {
    const level = this.#levelOf(handle);
    const scope = level.turn();
    if (scope !== undefined) {
      return scope.then(() => this.turn(handle));
    }
    const turns = this.#turnsOf(level);
    if (turns.owner === undefined || turns.owner === handle) {
      turns.owner = handle;
      turns.unanswered++;
      return undefined;
    }
    return new Promise<void>((resolve) => {
      turns.waiting.push({ handle, wake: resolve });
    }).then(() => void this.#levelOf(handle));
  }

  answered(handle: Handle): void {
    for (const turns of this.#turns.values()) {
      if (turns.owner === handle && turns.unanswered > 0) {
        turns.unanswered--;
        this.#pass(turns, this.#depth > turns.depth);
      }
    }
  }

  /** The handle was given back. A transaction of its own that is still open makes the branch vote no. */
  release(handle: Handle): void {
    for (const turns of this.#turns.values()) {
      if (turns.owner === handle) {
        this.#pass(turns, false);
      }
    }
  }

  #pass(turns: Turns, keeps: boolean): void {
    if (turns.unanswered > 0 || keeps) {
      return;
    }
    turns.owner = turns.waiting[0]?.handle;
    while (turns.owner !== undefined && turns.waiting[0]?.handle === turns.owner) {
      turns.unanswered++;
      turns.waiting.shift()?.wake();
    }
  }

  get #depth(): number {
    return this.#enlisted?.ownDepth ?? 0;
  }

  #turnsOf(level: Level): Turns {
    let turns = this.#turns.get(level);
    if (turns === undefined) {
      turns = { owner: undefined, unanswered: 0, depth: this.#depth, waiting: [] };
      this.#turns.set(level, turns);
    }
    return turns;
  }

  #levelOf(handle: Handle): Level {
    const now = this.#ambient.now;
    const level = now?.tx === this.#tx ? now.level : handle.level;
    if (this.#isReleased || this.#tx.hasEnded || level.hasEnded) {
      throw ended(this.#tx, level);
    }
    return level;
  }
}
