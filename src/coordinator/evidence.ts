// Evidence that engines keep for us (marker rows): it may be deleted once the log durably accounts for its transaction, and not
// before, or a repeated commit would find no proof and call it damage (D6, D7).
import type { Clock, Timer } from '../lib/clock.ts';
import { BRANCHES_PER_MESSAGE_MAX } from '../xa/limits.ts';
import { type Bqual, type Gtrid, type ResourceName, resourceOf } from '../xa/xid.ts';
import type { Directory } from './directory.ts';
import type { FinishingBranch } from './engine/state.ts';

interface Key {
  readonly gtrid: Gtrid;
  readonly bqual: Bqual;
}

/** Deletions travel together; nothing waits for them. */
const SEND_INTERVAL_MS = 500;
/** A participant that is away for long misses some; its marker sweep brings them up again. */
const QUEUE_MAX = 100_000;
/** How long a row that alone proves a commit stays, for those who ask after a restart. */
export const PROOF_KEPT_MS = 60_000;
/** Rows whose time ends within the same second go together. */
const PROOF_STEP_MS = 1_000;

export class Evidence {
  readonly #directory: Directory;
  readonly #clock: Clock;
  /** Finished records appended lazily before the n-th forced append started: durable when that one is. */
  #unproven: Key[] = [];
  #inFlight: Key[][] = [];
  readonly #ready = new Map<ResourceName, Key[]>();
  /** Proofs of commits in one phase, by when they may go, oldest first. */
  readonly #proofs: { readonly dueAt: number; readonly keys: Key[] }[] = [];
  #proofCount = 0;
  #proofTimer: Timer | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(directory: Directory, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** The finished record of these branches was appended lazily. */
  accountedFor(gtrid: Gtrid, branches: readonly FinishingBranch[]): void {
    for (const { bqual, evidence } of branches) {
      if (evidence === 'marker' && this.#unproven.length < QUEUE_MAX) {
        this.#unproven.push({ gtrid, bqual });
      }
    }
  }

  /** A forced append was started: it carries every lazy record appended so far (the log keeps their order). */
  forcedStarted(): void {
    this.#inFlight.push(this.#unproven);
    this.#unproven = [];
  }

  /** The oldest forced append is durable; appends become durable in order. */
  madeDurable(): void {
    for (const { gtrid, bqual } of this.#inFlight.shift() ?? []) {
      this.forget(gtrid, bqual);
    }
  }

  /** A commit in one phase was heard of: there is no record of it, and its row alone proves it after a restart. It goes when that was long ago. */
  onePhaseCommitted(gtrid: Gtrid, bqual: Bqual): void {
    if (this.#closed || this.#proofCount >= QUEUE_MAX) {
      return;
    }
    const now = this.#clock.now();
    let newest = this.#proofs.at(-1);
    if (newest === undefined || newest.dueAt < now + PROOF_KEPT_MS) {
      newest = { dueAt: now + PROOF_KEPT_MS + PROOF_STEP_MS, keys: [] };
      this.#proofs.push(newest);
    }
    newest.keys.push({ gtrid, bqual });
    this.#proofCount += 1;
    this.#proofTimer ??= this.#clock.after(newest.dueAt - now, this.#endProofs);
  }

  /** The evidence of this branch may be deleted now. */
  forget(gtrid: Gtrid, bqual: Bqual): void {
    const resource = resourceOf(bqual);
    const ready = this.#ready.get(resource) ?? [];
    this.#ready.set(resource, ready);
    if (ready.length < QUEUE_MAX) {
      ready.push({ gtrid, bqual });
    }
    if (this.#closed) {
      return;
    }
    this.#timer ??= this.#clock.after(SEND_INTERVAL_MS, this.#send);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#proofTimer?.cancel();
  }

  readonly #endProofs = (): void => {
    this.#proofTimer = undefined;
    const now = this.#clock.now();
    for (let oldest = this.#proofs[0]; oldest !== undefined; oldest = this.#proofs[0]) {
      if (oldest.dueAt > now) {
        this.#proofTimer = this.#clock.after(oldest.dueAt - now, this.#endProofs);
        return;
      }
      this.#proofs.shift();
      this.#proofCount -= oldest.keys.length;
      for (const { gtrid, bqual } of oldest.keys) {
        this.forget(gtrid, bqual);
      }
    }
  };

  readonly #send = (): void => {
    this.#timer = undefined;
    for (const [resource, keys] of this.#ready) {
      const link = this.#directory.sidecarOf(resource);
      for (let at = 0; link !== undefined && at < keys.length; at += BRANCHES_PER_MESSAGE_MAX) {
        link.forget(keys.slice(at, at + BRANCHES_PER_MESSAGE_MAX));
      }
      // Without a sidecar they are dropped: the marker sweep of the next one asks about them again.
      this.#ready.delete(resource);
    }
  };
}
