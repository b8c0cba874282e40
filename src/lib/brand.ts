// Nominal types: a `Gtrid` is a string that was parsed, and no other string passes for it.

declare const brand: unique symbol;

export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
