// A canary: a bug that is planted in a copy of the source, and the proof that must notice it.

/** One place of the source, and what stands there instead. */
export interface Patch {
  /** From the root of the checkout. */
  readonly file: string;
  /** Occurs there exactly once. */
  readonly find: string;
  readonly put: string;
}

/** The program that is to notice it, and with which arguments. */
export type Catcher =
  | { readonly kind: 'check'; readonly world: string; readonly branches: 1 | 2; readonly deep?: true }
  /** `seeds` are tried one after the other until one finds it; `transactions` in each. */
  | { readonly kind: 'sim'; readonly from?: number; readonly seeds: number; readonly transactions?: number }
  | { readonly kind: 'crash-states'; readonly seed: number; readonly states: number }
  /** Tests of one file, where neither model has the part that breaks; `why` says which part that is. */
  | { readonly kind: 'test'; readonly file: string; readonly named: string; readonly why: string };

export interface Canary {
  readonly id: string;
  /** What the planted bug does, as a sentence without its end. */
  readonly title: string;
  /** The invariants of docs/protocol.md that it breaks. */
  readonly breaks: readonly string[];
  readonly patches: readonly Patch[];
  readonly caughtBy: Catcher;
  /** How the violation begins: what is found for another reason does not count. */
  readonly sees: RegExp;
}

/** Source with a patch in it. @throws {OutOfDate} the place is not there, or not the only one. */
export function patched(source: string, { file, find, put }: Patch): string {
  const places = find === '' ? 0 : source.split(find).length - 1;
  if (places !== 1) {
    throw new OutOfDate(`${file} has ${places} places like this, and not one:\n${find}`);
  }
  if (put === find) {
    throw new OutOfDate(`${file} would stay as it is`);
  }
  return source.replace(find, () => put);
}

/** The source has changed, and the canary was not changed with it. */
export class OutOfDate extends Error {}
