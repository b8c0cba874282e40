// What `once` and `lock` take and give.

/** What JSON holds: the result of `once` is stored as its text. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/** What the work of `once` may return: nothing, or what JSON holds. */
// biome-ignore lint/suspicious/noConfusingVoidType: work without a result is declared to return nothing.
export type OnceValue = JsonValue | undefined | void;

export interface OnceOptions {
  /** What tells the request from others that come with the same key, for instance a hash of its body. At most 255 bytes. */
  readonly fingerprint?: string;
}

export interface OnceResult<T> {
  /** What the work returned, now or when it was done; as JSON holds it, both times. */
  readonly value: T;
  /** The work was done by this call. */
  readonly first: boolean;
}

export interface NamedLock {
  /** Greater than that of every earlier holder of the name at this resource, also of those that were rolled back. */
  readonly token: bigint;
}
