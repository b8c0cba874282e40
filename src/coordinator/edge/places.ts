// Places for long streams. Who has said hello has a seat until it leaves; who has not stands in a row, and makes room for the next.
import { CoordinatorError } from '../../xa/errors.ts';

export interface Guest {
  /** It stands and says nothing, and others come: its stream ends with this. */
  evict(error: CoordinatorError): void;
}

/** So that silent streams, however many, keep nobody out who says hello. */
export class Places<T extends Guest> {
  readonly #max: number;
  readonly #what: string;
  readonly #seated = new Set<T>();
  /** Without a hello, the longest first. */
  readonly #standing = new Set<T>();

  /** @param max both of seats and of those that stand. @param what they are, in the plural. */
  constructor(max: number, what: string) {
    this.#max = max;
    this.#what = what;
  }

  /** @throws {CoordinatorError} `LIMIT_SESSIONS`: all seats are taken. */
  check(): void {
    if (this.#seated.size >= this.#max) {
      throw new CoordinatorError('LIMIT_SESSIONS', `${this.#max} ${this.#what} are open already`);
    }
  }

  enter(guest: T): void {
    const [first] = this.#standing;
    if (first !== undefined && this.#standing.size >= this.#max) {
      this.#standing.delete(first);
      first.evict(
        new CoordinatorError(
          'LIMIT_SESSIONS',
          `more than ${this.#max} ${this.#what} have not said hello, and this one for the longest`,
        ),
      );
    }
    this.#standing.add(guest);
  }

  /** It has said hello. @throws {CoordinatorError} `LIMIT_SESSIONS` */
  seat(guest: T): void {
    this.check();
    this.#standing.delete(guest);
    this.#seated.add(guest);
  }

  leave(guest: T): void {
    this.#standing.delete(guest);
    this.#seated.delete(guest);
  }

  get seated(): Iterable<T> {
    return this.#seated;
  }

  all(): readonly T[] {
    return [...this.#seated, ...this.#standing];
  }
}
