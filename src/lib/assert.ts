// Assertions that stay on in production: a failed one is a bug, and the process that holds it must not go on guessing.

/** A broken invariant. Nobody catches it to continue; the process stops with the exit code for a bug. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** @throws {AssertionError} when `condition` does not hold. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) {
    throw new AssertionError(message);
  }
}

/** Ends a `switch` over a union: a new variant does not compile until it is handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
