// What a scope does about the transaction that it is begun in: the seven of Spring and Jakarta, as one table.
import { ConcordatError } from '../public/errors.ts';
import type { Propagation } from '../public/options.ts';
import type { Surroundings } from './ambient.ts';
import type { Level } from './level.ts';

/** `begin`: another transaction; one that is there is set aside. `without`: the same with none. */
type Plan =
  | { readonly kind: 'begin' | 'without' }
  | { readonly kind: 'join' | 'nest'; readonly surroundings: Surroundings };

/** @throws {ConcordatError} TRANSACTION_REQUIRED, TRANSACTION_PRESENT; TXN_STATE: what it would work in has ended. */
export function planOf(propagation: Propagation, surroundings: Surroundings | undefined): Plan {
  if (propagation === 'requires-new') {
    return { kind: 'begin' };
  }
  if (propagation === 'not-supported') {
    return { kind: 'without' };
  }
  if (surroundings === undefined) {
    return outside(propagation);
  }
  if (hasEnded(surroundings)) {
    throw ended(surroundings.tx, surroundings.level);
  }
  switch (propagation) {
    case 'required':
    case 'mandatory':
    case 'supports':
      return { kind: 'join', surroundings };
    case 'nested':
      return { kind: 'nest', surroundings };
    case 'never':
      throw new ConcordatError(
        `This must not run in a transaction (propagation: 'never'), and ${surroundings.tx.gtrid} is open here. Next: call it before or after, or say 'not-supported' to set the transaction aside.`,
        { code: 'TRANSACTION_PRESENT', retryable: false },
      );
  }
}

function outside(propagation: Exclude<Propagation, 'requires-new' | 'not-supported'>): Plan {
  switch (propagation) {
    case 'required':
    case 'nested':
      return { kind: 'begin' };
    case 'supports':
    case 'never':
      return { kind: 'without' };
    case 'mandatory':
      throw new ConcordatError(
        "This runs only in a transaction (propagation: 'mandatory'), and none is open here. Next: call it within concordat.transaction().",
        { code: 'TRANSACTION_REQUIRED', retryable: false },
      );
  }
}

export function hasEnded({ tx, level }: Surroundings): boolean {
  return tx.hasEnded || level.hasEnded;
}

/** For work that was not awaited: it must neither begin anew nor run without a transaction. */
export function ended({ gtrid }: { readonly gtrid: string }, { parent }: Level): ConcordatError {
  const what = parent === undefined ? `The transaction ${gtrid}` : `The nested scope of ${gtrid}`;
  return new ConcordatError(
    `${what} that this was started in has ended. Next: await all work of a scope before it returns; with 'requires-new' work may go on in a transaction of its own.`,
    { code: 'TXN_STATE', retryable: false, gtrid },
  );
}
