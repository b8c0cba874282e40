// Evidence rows in the engines: one may be deleted once the log durably accounts for its transaction, and not
// before, or a repeated commit would find no proof and call it damage (D6, D7).
import type { Clock, Timer } from '../../lib/clock.ts';
import { type EvidenceRow, formatRow } from '../../xa/evidence.ts';
import { BRANCHES_PER_MESSAGE_MAX } from '../../xa/limits.ts';
import { PROOF_KEPT_MS } from '../../xa/times.ts';
import { type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { Directory } from './directory.ts';

/** Deletions travel together; nothing waits for them. */
const SEND_INTERVAL_MS = 500;
/** A participant that is away for long misses some; its sweep of rows brings them up again. */
const QUEUE_MAX = 100_000;
/** Rows whose time ends within the same second go together. */
const KEPT_STEP_MS = 1_000;

export class EvidenceRows {
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #isAccountedFor: (row: EvidenceRow) => boolean;
  /** Finished records appended lazily before the n-th forced append started: durable when that one is. */
  #unproven: EvidenceRow[] = [];
  #inFlight: EvidenceRow[][] = [];
  readonly #ready = new Map<ResourceName, EvidenceRow[]>();
  /** What goes later, by when that is, oldest first. */
  readonly #kept: { readonly dueAt: number; readonly rows: EvidenceRow[] }[] = [];
  readonly #keptNames = new Set<string>();
  #keptTimer: Timer | undefined;
  #timer: Timer | undefined;
  #closed = false;

  /** @param isAccountedFor whether nothing will be asked of the row any more. */
  constructor(directory: Directory, clock: Clock, isAccountedFor: (row: EvidenceRow) => boolean) {
    this.#directory = directory;
    this.#clock = clock;
    this.#isAccountedFor = isAccountedFor;
  }

  /** The finished record that accounts for these rows was appended lazily. */
  accountedFor(rows: readonly EvidenceRow[]): void {
    for (const row of rows) {
      if (this.#unproven.length < QUEUE_MAX) {
        this.#unproven.push(row);
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
    for (const row of this.#inFlight.shift() ?? []) {
      this.forget(row);
    }
  }

  /** An engine still keeps the row: it goes after a while in which it can be asked for, if nothing will be asked of it then. */
  seen(row: EvidenceRow): void {
    if (this.#isAccountedFor(row)) {
      this.forgetLater(row);
    }
  }

  /** The row goes in a minute, if it may go then; sooner where there are very many, or their table would grow and grow. */
  forgetLater(row: EvidenceRow): void {
    const name = formatRow(row);
    if (this.#closed || this.#keptNames.has(name)) {
      return;
    }
    if (this.#keptNames.size >= QUEUE_MAX) {
      this.#forgetOldest();
    }
    const now = this.#clock.now();
    let newest = this.#kept.at(-1);
    if (newest === undefined || newest.dueAt < now + PROOF_KEPT_MS) {
      newest = { dueAt: now + PROOF_KEPT_MS + KEPT_STEP_MS, rows: [] };
      this.#kept.push(newest);
    }
    newest.rows.push(row);
    this.#keptNames.add(name);
    this.#keptTimer ??= this.#clock.after(newest.dueAt - now, this.#forgetKept);
  }

  /** The row may be deleted now. */
  forget(row: EvidenceRow): void {
    const resource = resourceOf(row.bqual);
    const ready = this.#ready.get(resource) ?? [];
    this.#ready.set(resource, ready);
    if (ready.length < QUEUE_MAX) {
      ready.push(row);
    }
    if (this.#closed) {
      return;
    }
    this.#timer ??= this.#clock.after(SEND_INTERVAL_MS, this.#send);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#keptTimer?.cancel();
  }

  readonly #forgetKept = (): void => {
    this.#keptTimer = undefined;
    const now = this.#clock.now();
    for (let oldest = this.#kept[0]; oldest !== undefined; oldest = this.#kept[0]) {
      if (oldest.dueAt > now) {
        this.#keptTimer = this.#clock.after(oldest.dueAt - now, this.#forgetKept);
        return;
      }
      this.#forgetOldest();
    }
  };

  #forgetOldest(): void {
    for (const row of this.#kept.shift()?.rows ?? []) {
      this.#keptNames.delete(formatRow(row));
      if (this.#isAccountedFor(row)) {
        this.forget(row);
      }
    }
  }

  readonly #send = (): void => {
    this.#timer = undefined;
    for (const [resource, keys] of this.#ready) {
      const link = this.#directory.sidecarOf(resource);
      for (let at = 0; link !== undefined && at < keys.length; at += BRANCHES_PER_MESSAGE_MAX) {
        link.forget(keys.slice(at, at + BRANCHES_PER_MESSAGE_MAX));
      }
      // Without a sidecar they are dropped: the sweep of the next one asks about them again.
      this.#ready.delete(resource);
    }
  };
}
