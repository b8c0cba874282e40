// A connection that its pool gets back before the transaction has ended would work for somebody else within the branch: it is given
// back when it is the application's again.

/** What a pool of pg puts on the clients that it lends. */
interface Releasable {
  release?: (...options: unknown[]) => void;
}

interface MysqlPool {
  releaseConnection(connection: object): void;
}

/** Calls for a later turn, of one loan. */
export class HeldRelease {
  readonly #undo: () => void;
  #held: (() => void) | undefined;

  private constructor(install: (hold: (release: () => void) => void) => () => void) {
    this.#undo = install((release) => {
      this.#held ??= release;
    });
  }

  /** Of a client that a pool of pg may have lent. */
  static ofPg(client: object): HeldRelease {
    const owner = client as Releasable;
    return new HeldRelease((hold) => {
      const { release } = owner;
      if (typeof release !== 'function') {
        return () => undefined;
      }
      const held = (...options: unknown[]): void => hold(() => release.apply(client, options));
      owner.release = held;
      return () => {
        if (owner.release === held) {
          owner.release = release;
        }
      };
    });
  }

  /** Of a connection that a pool of mysql2 may have lent: whichever way it is given back, its pool is told. */
  static ofMysql(connection: object, pool: MysqlPool | null | undefined): HeldRelease {
    return new HeldRelease((hold) => (pool ? holdAtPool(pool, connection, hold) : () => undefined));
  }

  /** The connection is the application's again, and its pool's if it was given back meanwhile. */
  end(): void {
    this.#undo();
    this.#held?.();
    this.#held = undefined;
  }
}

type Holders = Map<object, (release: () => void) => void>;
const holdersOf = new WeakMap<MysqlPool, Holders>();

function holdAtPool(pool: MysqlPool, connection: object, hold: (release: () => void) => void): () => void {
  let holders = holdersOf.get(pool);
  if (holders === undefined) {
    const known: Holders = new Map();
    const release = pool.releaseConnection;
    pool.releaseConnection = (given) => {
      const holder = known.get(given);
      if (holder === undefined) {
        release.call(pool, given);
      } else {
        holder(() => release.call(pool, given));
      }
    };
    holders = known;
    holdersOf.set(pool, holders);
  }
  const known = holders;
  known.set(connection, hold);
  return () => void known.delete(connection);
}
