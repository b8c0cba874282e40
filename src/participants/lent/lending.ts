// The end of a loan: said once, heard by whoever waits for the connection.

/** Which of the application's connections are lent to a branch now. */
const lentConnections = new WeakSet<object>();

export class Loan {
  readonly released: Promise<void>;
  readonly #connection: object;
  readonly #resolve: () => void;

  /** @throws {TypeError} the connection is lent already. */
  constructor(connection: object) {
    if (lentConnections.has(connection)) {
      throw new TypeError(
        'this connection works in another transaction already; enlist one connection in one at a time',
      );
    }
    lentConnections.add(connection);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.released = promise;
    this.#connection = connection;
    this.#resolve = resolve;
  }

  end(): void {
    lentConnections.delete(this.#connection);
    this.#resolve();
  }
}
