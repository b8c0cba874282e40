// Randomness as a port, so that a simulation can seed it.
import { randomBytes } from 'node:crypto';

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `length` characters of `[a-z2-7]`, five random bits each (RFC 4648 base 32, lower case). */
  base32(length: number): string;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

export const systemRandom: Random = {
  next: () => Math.random(),
  base32: (length) => Array.from(randomBytes(length), (byte) => BASE32[byte & 31]).join(''),
};
