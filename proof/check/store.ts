// The states that were reached, packed: their words one after another in large arrays, found by a hash table of their numbers.

const CHUNK_BITS = 16;
const CHUNK = 2 ** CHUNK_BITS;
const LOAD_MAX = 0.6;

export class Store {
  readonly #words: number;
  readonly #chunks: Int32Array[] = [];
  readonly #parents: Int32Array[] = [];
  #table = new Int32Array(2 ** 16).fill(-1);
  #size = 0;

  /** `words`: of each state. */
  constructor(words: number) {
    this.#words = words;
  }

  get size(): number {
    return this.#size;
  }

  /** What the arrays take, without those that hold less than a state each. */
  get bytes(): number {
    return this.#chunks.length * CHUNK * (this.#words + 1) * 4 + this.#table.length * 4;
  }

  /** True: the state is new, and its number is `size - 1`. */
  add(state: Int32Array, parent: number): boolean {
    if (this.#size >= this.#table.length * LOAD_MAX) {
      this.#grow();
    }
    const slot = this.#slotOf(state);
    if (this.#table[slot] !== -1) {
      return false;
    }
    this.#table[slot] = this.#size;
    this.#append(state, parent);
    return true;
  }

  /** -1: it was never reached. */
  find(state: Int32Array): number {
    return this.#table[this.#slotOf(state)] ?? -1;
  }

  read(number: number, into: Int32Array): void {
    const chunk = this.#chunks[number >>> CHUNK_BITS];
    const first = (number & (CHUNK - 1)) * this.#words;
    for (let word = 0; word < this.#words; word += 1) {
      into[word] = chunk?.[first + word] ?? 0;
    }
  }

  /** The number of the state from which this one was reached first, by the shortest way; -1: it is a beginning. */
  parent(number: number): number {
    return this.#parents[number >>> CHUNK_BITS]?.[number & (CHUNK - 1)] ?? -1;
  }

  #append(state: Int32Array, parent: number): void {
    const at = this.#size >>> CHUNK_BITS;
    if (at === this.#chunks.length) {
      this.#chunks.push(new Int32Array(CHUNK * this.#words));
      this.#parents.push(new Int32Array(CHUNK));
    }
    const index = this.#size & (CHUNK - 1);
    this.#chunks[at]?.set(state, index * this.#words);
    const parents = this.#parents[at];
    if (parents !== undefined) {
      parents[index] = parent;
    }
    this.#size += 1;
  }

  /** Where the state is, or where it would go. */
  #slotOf(state: Int32Array): number {
    const mask = this.#table.length - 1;
    for (let slot = hash(state, this.#words) & mask; ; slot = (slot + 1) & mask) {
      const number = this.#table[slot] ?? -1;
      if (number === -1 || this.#equals(number, state)) {
        return slot;
      }
    }
  }

  #equals(number: number, state: Int32Array): boolean {
    const chunk = this.#chunks[number >>> CHUNK_BITS];
    const first = (number & (CHUNK - 1)) * this.#words;
    for (let word = 0; word < this.#words; word += 1) {
      if (chunk?.[first + word] !== state[word]) {
        return false;
      }
    }
    return true;
  }

  #grow(): void {
    const state = new Int32Array(this.#words);
    this.#table = new Int32Array(this.#table.length * 4).fill(-1);
    for (let number = 0; number < this.#size; number += 1) {
      this.read(number, state);
      this.#table[this.#slotOf(state)] = number;
    }
  }
}

function hash(state: Int32Array, words: number): number {
  let mixed = 0x9e3779b9;
  for (let word = 0; word < words; word += 1) {
    mixed = Math.imul(mixed ^ (state[word] ?? 0), 0x85ebca6b);
    mixed ^= mixed >>> 13;
    mixed = Math.imul(mixed, 0xc2b2ae35);
    mixed ^= mixed >>> 16;
  }
  return mixed >>> 0;
}
