// What all streams of a process may have queued for peers that do not read: each has its own bound, and a thousand of those are too much.

/** A queue that counts. */
export interface BudgetedQueue {
  /** About how many bytes wait in it. */
  readonly weight: number;
  /** Its stream is given up: its peer does not read, and what waits is freed. */
  giveUp(): void;
}

/** Beyond the budget the longest queue is given up, and the next, until the others fit: they read, or have little to read. */
export class QueueBudget {
  readonly #max: number;
  readonly #queues = new Set<BudgetedQueue>();
  #total = 0;

  constructor(maxBytes: number) {
    this.#max = maxBytes;
  }

  /** Bytes that wait in all queues. */
  get total(): number {
    return this.#total;
  }

  /** The queue's weight has changed by `bytes`, up or down. One that is empty is not kept. */
  changed(queue: BudgetedQueue, bytes: number): void {
    this.#total += bytes;
    if (queue.weight > 0) {
      this.#queues.add(queue);
    } else {
      this.#queues.delete(queue);
    }
    while (bytes > 0 && this.#total > this.#max && this.#queues.size > 0) {
      this.#longest().giveUp();
    }
  }

  #longest(): BudgetedQueue {
    return [...this.#queues].reduce((longest, queue) => (queue.weight > longest.weight ? queue : longest));
  }
}
