// One global transaction as the driver holds it: the engine's state, and what only the driver knows, its timers and waiters.
import type { Timer } from '../../lib/clock.ts';
import type { Origin, Whose } from '../../log/record.ts';
import type { Bqual, Gtrid } from '../../xa/xid.ts';
import type { Effect } from '../engine/event.ts';
import type { State } from '../engine/state.ts';

/** Someone who waits for the end. Called once. */
export interface Waiter {
  readonly level: 'decided' | 'applied';
  readonly settle: (transaction: HeldTransaction) => void;
}

/** Whoever began the transaction and takes it along when it goes: a client session. Unary callers have none. */
export interface Owner {
  /** As the client says of itself; undefined: it has said nothing. */
  readonly whose?: Whose | undefined;
  /** The coordinator ended one of its transactions before the owner asked for an end. */
  ended(transaction: HeldTransaction): void;
}

/** Who holds the places of transactions that are not decided: a session, or the caller of unary calls. */
export type Holder = Owner | string;

/** How a transaction is taken in. */
export interface AdmitOptions {
  readonly owner?: Owner | undefined;
  readonly holder?: Holder | undefined;
  readonly timeoutMs?: number;
  /** As the log has it. */
  readonly origin?: Origin | undefined;
  /** What the first state asks for. */
  readonly effects?: readonly Effect[];
  /** An operator has acted on it before. */
  readonly operatorAction?: boolean;
}

/** What is known of it: not decided yet, or begun by nobody who said who it is. */
export type KnownOrigin = Partial<Origin>;

export class HeldTransaction {
  readonly gtrid: Gtrid;
  /** Undefined for unary callers, and once the transaction is completed. */
  owner: Owner | undefined;
  /** Until it is decided. */
  holder: Holder | undefined;
  /** Monotonic milliseconds: when it was begun, in this life or before it. */
  readonly openedAt: number;
  /** For people: nothing is decided by it. */
  origin: KnownOrigin = {};
  /** Monotonic milliseconds: when it entered the kind of state that it is in. */
  since: number;
  state: State;
  /** Rises with every change of state. */
  version = 1;
  /** Monotonic milliseconds; `Infinity` once no deadline applies. */
  deadlineAt: number;
  /** The deadline, later the bound of how long callers wait for the last branches. */
  timer: Timer | undefined;
  waiters: Waiter[] = [];
  readonly retries = new Map<Bqual, { readonly timer: Timer; readonly dueAt: number }>();
  operatorAction = false;
  /** What people were told of it. */
  alarms: Set<string> | undefined;
  /** The owner asked for an end: it is answered, not notified. */
  endRequested = false;

  constructor(gtrid: Gtrid, state: State, owner: Owner | undefined, openedAt: number, deadlineAt: number) {
    this.gtrid = gtrid;
    this.state = state;
    this.owner = owner;
    this.openedAt = openedAt;
    this.since = openedAt;
    this.deadlineAt = deadlineAt;
  }

  /** Stops every timer; the transaction is over or the process is. */
  quiet(): void {
    this.timer?.cancel();
    this.timer = undefined;
    for (const { timer } of this.retries.values()) {
      timer.cancel();
    }
    this.retries.clear();
  }
}
