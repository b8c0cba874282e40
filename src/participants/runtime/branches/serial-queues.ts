// One queue for each branch: statements, prepare and finish calls of one Xid never overlap, those of different ones always may.

export class SerialQueues {
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Runs `job` when everything queued before it under `key` has ended, at once if nothing has been. Settles as `job` does; a failed
   * job does not stop the next. `job` must not throw synchronously, which an async function never does.
   */
  run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const result = before === undefined ? job() : before.then(job);
    const ended = (): void => {
      if (this.#tails.get(key) === tail) {
        this.#tails.delete(key);
      }
    };
    const tail: Promise<void> = result.then(ended, ended);
    this.#tails.set(key, tail);
    return result;
  }

  /** Keys with a job queued or running. */
  get size(): number {
    return this.#tails.size;
  }
}
