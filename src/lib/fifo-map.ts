// A map that keeps the newest entries, up to a number: the oldest make room. A Map alone cannot do that in constant time, since a
// walk from its beginning passes every entry that was deleted there.

interface Entry<Key, Value> {
  readonly key: Key;
  value: Value;
}

export class FifoMap<Key, Value> {
  readonly #max: number;
  readonly #entries = new Map<Key, Entry<Key, Value>>();
  /** Entries as they came, from `#oldest` on. One that was deleted stays until its turn, even if its key has come again since. */
  #order: Entry<Key, Value>[] = [];
  #oldest = 0;

  /** @param max at least 1 */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  *values(): Generator<Value> {
    for (const { value } of this.#entries.values()) {
      yield value;
    }
  }

  /** A key that is there keeps its place. @returns what had to go for it, if anything. */
  set(key: Key, value: Value): Value | undefined {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.value = value;
      return undefined;
    }
    const evicted = this.#entries.size < this.#max ? undefined : this.#evictOldest();
    const entry = { key, value };
    this.#entries.set(key, entry);
    this.#order.push(entry);
    this.#compact();
    return evicted;
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#order = [];
    this.#oldest = 0;
  }

  #evictOldest(): Value | undefined {
    for (let entry = this.#order[this.#oldest]; entry !== undefined; entry = this.#order[this.#oldest]) {
      this.#oldest += 1;
      if (this.#entries.get(entry.key) === entry) {
        this.#entries.delete(entry.key);
        return entry.value;
      }
    }
    return undefined;
  }

  /** What is gone is dropped when it is more than what may stay: each entry pays for one look at it. */
  #compact(): void {
    if (this.#order.length > 2 * this.#max + 1) {
      this.#order = this.#order.slice(this.#oldest).filter((entry) => this.#entries.get(entry.key) === entry);
      this.#oldest = 0;
    }
  }
}
