// A transaction and the scopes nested in it, as levels: whose statements may run now, what is still open, and why a level goes no further.

/** Wrapped, because anything may be thrown. */
interface LevelFailure {
  readonly error: unknown;
}

/**
 * The transaction itself, or one scope nested in it. Of the scopes within one level one is open at a time: what another one did between a
 * savepoint and the return to it would be undone with it.
 */
export class Level {
  /** Undefined: the transaction itself. */
  readonly parent: Level | undefined;
  /** Of the savepoint that stands at its beginning. */
  readonly savepoint: string;
  #child: { readonly level: Level; readonly closed: Promise<void> } | undefined;
  /** Scopes that began here and have not ended: those that joined, and those that are nested or wait for their turn. */
  #scopes = 0;
  #unanswered = 0;
  #hasEnded = false;
  #failure: LevelFailure | undefined;
  #wasPassedOn = false;

  constructor(parent: Level | undefined, savepoint: string) {
    this.parent = parent;
    this.savepoint = savepoint;
  }

  get scopes(): number {
    return this.#scopes;
  }

  /** Statements that were asked for here and not answered. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** It is over, whatever became of it: work that still goes on is refused. */
  get hasEnded(): boolean {
    return this.#hasEnded || this.parent?.hasEnded === true;
  }

  /** The first thing that went wrong here, or in what it is nested in. */
  get failure(): LevelFailure | undefined {
    return this.parent?.failure ?? this.#failure;
  }

  /** The nested scopes from the outermost to this one. */
  get path(): readonly Level[] {
    return this.parent === undefined ? [] : [...this.parent.path, this];
  }

  /** The innermost scope that is open within it now, or itself. */
  get innermost(): Level {
    return this.#child?.level.innermost ?? this;
  }

  /** This level can only be undone. Only the first failure counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** The transaction's context was given to another service, which works outside of every savepoint. */
  get wasPassedOn(): boolean {
    return this.#wasPassedOn;
  }

  passOn(): void {
    this.#wasPassedOn = true;
    this.parent?.passOn();
  }

  end(): void {
    this.#hasEnded = true;
  }

  asked(): void {
    this.#unanswered++;
  }

  answered(): void {
    this.#unanswered--;
  }

  enter(): void {
    this.#scopes++;
  }

  leave(): void {
    this.#scopes--;
  }

  /** Undefined: it is this level's turn already. Otherwise resolves when no scope is open within it. */
  turn(): Promise<void> | undefined {
    return this.#child === undefined ? undefined : this.#untilClosed();
  }

  /** Opens a scope within it, whose turn it is until `close`. */
  open(savepoint: string): { readonly level: Level; readonly close: () => void } {
    const level = new Level(this, savepoint);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#child = { level, closed: promise };
    const close = (): void => {
      this.#child = undefined;
      resolve();
    };
    return { level, close };
  }

  async #untilClosed(): Promise<void> {
    while (this.#child !== undefined) {
      await this.#child.closed;
    }
  }
}
