// Why a branch cannot be prepared: for good, or until its application has gone back to a savepoint. The servers would prepare it in spite
// of that, so the mark is ours to keep.
import { EngineError, type Statement } from '../../resource-manager.ts';
import { isOfStatement } from '../protocol/errors.ts';

/** Anything else that it might be to the server is refused by it, or by the guard. */
const GOES_BACK = /^\s*ROLLBACK\s+(?:WORK\s+)?TO\b/i;

export class Doom {
  #final: EngineError | undefined;
  /** Only a statement failed, and was undone by itself. */
  #ofStatement: EngineError | undefined;

  /** The first reason: it explains the others. */
  get why(): EngineError | undefined {
    return this.#final ?? this.#ofStatement;
  }

  /** It can only be rolled back, whatever else comes. Answers with the first reason. */
  set(error: EngineError): EngineError {
    this.#final ??= this.#ofStatement ?? error;
    return this.#final;
  }

  /** Executes a statement if there is no reason against it. Back at a savepoint, what failed behind it is undone. @throws {EngineError} */
  async run<T>({ sql }: Statement, execute: () => Promise<T>): Promise<T> {
    const goesBack = this.#ofStatement !== undefined && GOES_BACK.test(sql);
    const refusal = goesBack ? this.#final : this.why;
    if (refusal !== undefined) {
      throw refusal;
    }
    try {
      const result = await execute();
      this.#ofStatement = undefined;
      return result;
    } catch (error) {
      if (!goesBack && error instanceof EngineError && isOfStatement(error)) {
        this.#ofStatement = error;
        throw error;
      }
      throw error instanceof EngineError ? this.set(error) : error;
    }
  }
}
