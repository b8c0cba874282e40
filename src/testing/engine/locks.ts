// Row locks of the memory engine: exclusive, first come first served, with deadlock detection at the moment of waiting.

/** Whoever holds locks; compared by identity. */
export interface LockOwner {
  readonly held: Set<string>;
  /** The key that the owner waits for, while it waits. */
  waitsFor: string | undefined;
}

interface Waiter {
  readonly owner: LockOwner;
  readonly granted: () => void;
  readonly refused: (error: Error) => void;
}

interface Lock {
  owner: LockOwner;
  readonly waiters: Waiter[];
}

/** Waiting would close a circle; the caller is the victim. */
export class DeadlockError extends Error {
  override readonly name = 'DeadlockError';
}

export class LockTable {
  readonly #locks = new Map<string, Lock>();

  /** Resolves when `owner` holds `key`. @throws {DeadlockError} @throws the error given to `cancel`. */
  acquire(owner: LockOwner, key: string): Promise<void> | undefined {
    const lock = this.#locks.get(key);
    if (lock === undefined) {
      this.#locks.set(key, { owner, waiters: [] });
      owner.held.add(key);
      return undefined;
    }
    if (lock.owner === owner) {
      return undefined;
    }
    if (this.#reaches(lock.owner, owner)) {
      throw new DeadlockError(`deadlock on ${key}`);
    }
    owner.waitsFor = key;
    return new Promise((granted, refused) => lock.waiters.push({ owner, granted, refused }));
  }

  /** Ends the wait of `owner`, if it waits. */
  cancel(owner: LockOwner, error: Error): void {
    const lock = owner.waitsFor === undefined ? undefined : this.#locks.get(owner.waitsFor);
    const index = lock?.waiters.findIndex((waiter) => waiter.owner === owner) ?? -1;
    owner.waitsFor = undefined;
    lock?.waiters.splice(index, 1)[0]?.refused(error);
  }

  /** Gives everything that `owner` holds to the next in line. */
  release(owner: LockOwner): void {
    for (const key of owner.held) {
      const lock = this.#locks.get(key);
      const next = lock?.waiters.shift();
      if (lock === undefined || next === undefined) {
        this.#locks.delete(key);
        continue;
      }
      lock.owner = next.owner;
      next.owner.held.add(key);
      next.owner.waitsFor = undefined;
      next.granted();
    }
    owner.held.clear();
  }

  /** How many owners wait, directly or behind one another, for something that `owner` holds. */
  waitersOf(owner: LockOwner): number {
    const blocked = new Set<LockOwner>();
    const blockers = [owner];
    for (let blocker = blockers.pop(); blocker !== undefined; blocker = blockers.pop()) {
      for (const waiter of [...blocker.held].flatMap((key) => this.#locks.get(key)?.waiters ?? [])) {
        if (!blocked.has(waiter.owner)) {
          blocked.add(waiter.owner);
          blockers.push(waiter.owner);
        }
      }
    }
    return blocked.size;
  }

  /** Whether `from` waits, at any distance, for a lock of `to`. */
  #reaches(from: LockOwner, to: LockOwner): boolean {
    for (let owner: LockOwner | undefined = from; owner !== undefined; ) {
      if (owner === to) {
        return true;
      }
      owner = owner.waitsFor === undefined ? undefined : this.#locks.get(owner.waitsFor)?.owner;
    }
    return false;
  }
}
