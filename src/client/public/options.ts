// What an application may ask for, with the defaults and the checks.
import { TRANSACTION_TIMEOUT_MAX_MS } from '../../xa/limits.ts';
import type { Acknowledgement, Isolation } from '../../xa/vocabulary.ts';

/** The part of a logger that the client uses; pino and its like fit. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ConnectOptions {
  /** The application's name, for the coordinator's log. */
  readonly application?: string;
  /** Bounds the wait for the first connection. */
  readonly signal?: AbortSignal;
  /** How long `connect`, and a transaction begun while the connection is away, wait for it. 10,000 if not given. */
  readonly connectTimeoutMs?: number;
  /** How long a commit whose answer was lost goes on asking for its outcome. 30,000 if not given. */
  readonly outcomeTimeoutMs?: number;
  /** Silent if not given. */
  readonly logger?: Logger;
}

/** How a branch starts; read with its first statement only. */
export interface BranchStart {
  /** The engine's default if not given. */
  readonly isolation?: Exclude<Isolation, 'default'>;
  readonly readOnly?: boolean;
}

export interface JoinOptions extends BranchStart {
  /** Bounds the waits of the statements; aborted, the transaction can only be rolled back. */
  readonly signal?: AbortSignal;
}

export interface TransactionOptions extends BranchStart {
  /** Milliseconds from begin to decision; then everything is rolled back. The coordinator's default if not given. */
  readonly timeoutMs?: number;
  /**
   * When a commit is answered. `applied`, the default: when every branch is finished, so that the next read sees it.
   * `decided`: as soon as the decision is durable.
   */
  readonly acknowledgement?: Acknowledgement;
  /** Resources that it cannot do without: where no sidecar of one is attached, nothing is begun (RESOURCE_UNAVAILABLE, retryable). */
  readonly requires?: readonly string[];
  /**
   * Bounds the waits, never the decision. Aborted before the commit was asked for: everything is rolled back and the signal's
   * reason is thrown. Aborted during the commit: `OutcomeUnknownError`.
   */
  readonly signal?: AbortSignal;
}

export interface RunOptions extends TransactionOptions {
  /** How often the whole function is run again after an error that is `retryable`, with growing pauses. 0 if not given. */
  readonly retries?: number;
}

/**
 * What a scope does about the transaction that it is begun in, as in Spring and Jakarta. Inside of one, `required`, `mandatory` and
 * `supports` join it, `requires-new` begins another, `nested` can be undone by itself, `not-supported` sets it aside and `never` throws.
 * Outside, `required`, `requires-new` and `nested` begin one, `mandatory` throws, and the rest run without.
 */
export type Propagation = 'required' | 'requires-new' | 'nested' | 'mandatory' | 'supports' | 'not-supported' | 'never';

export interface ScopeOptions extends RunOptions {
  /** `requires-new` if not given to `transaction()`, `required` if not given to `transactional()`. */
  readonly propagation?: Propagation;
  /** Whether what the function threw rolls its work back. False: the work is committed, and the error is thrown. Every error does, if not given. */
  readonly rollbackOn?: (error: unknown) => boolean;
}

/** Of a scope that always has a transaction of its own. */
export interface BeginOptions extends ScopeOptions {
  readonly propagation?: 'requires-new';
}

/** Of a scope that always has a transaction, maybe one that another service began. */
export interface JoiningOptions extends ScopeOptions {
  readonly propagation: 'required' | 'nested' | 'mandatory';
}

const RETRIES_MAX = 100;

/** @throws {RangeError} naming the option. */
export function checkMilliseconds(name: string, value: number | undefined): void {
  if (value !== undefined && !(value >= 1 && value <= TRANSACTION_TIMEOUT_MAX_MS)) {
    throw new RangeError(`${name} must be between 1 and ${TRANSACTION_TIMEOUT_MAX_MS} milliseconds, not ${value}`);
  }
}

/** @throws {RangeError} naming the option. */
export function checkRetries(value: number | undefined): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= RETRIES_MAX)) {
    throw new RangeError(`retries must be a whole number between 0 and ${RETRIES_MAX}, not ${value}`);
  }
}

const PROPAGATIONS: readonly Propagation[] = [
  'required',
  'requires-new',
  'nested',
  'mandatory',
  'supports',
  'not-supported',
  'never',
];

/** @throws {RangeError} {TypeError} naming the option. */
export function checkScopeOptions(options: ScopeOptions): void {
  const { propagation, rollbackOn } = options;
  if (propagation !== undefined && !PROPAGATIONS.includes(propagation)) {
    throw new RangeError(`propagation must be one of ${PROPAGATIONS.join(', ')}, not ${propagation}`);
  }
  if (rollbackOn !== undefined && typeof rollbackOn !== 'function') {
    throw new TypeError(`rollbackOn must be a function, not ${typeof rollbackOn}`);
  }
  checkRetries(options.retries);
  checkTransactionOptions(options);
}

const ISOLATIONS = ['read-uncommitted', 'read-committed', 'repeatable-read', 'serializable'] as const;

/** @throws {RangeError} naming the option. */
export function checkBranchStart(start: BranchStart): void {
  if (start.isolation !== undefined && !ISOLATIONS.includes(start.isolation)) {
    throw new RangeError(`isolation must be one of ${ISOLATIONS.join(', ')}, not ${start.isolation}`);
  }
}

/** @throws {RangeError} {TypeError} naming the option. */
export function checkTransactionOptions(options: TransactionOptions): void {
  checkMilliseconds('timeoutMs', options.timeoutMs);
  checkBranchStart(options);
  const { requires } = options;
  if (requires !== undefined && !(Array.isArray(requires) && requires.every((name) => typeof name === 'string'))) {
    throw new TypeError('requires must be a list of the names of resources');
  }
  if (
    options.acknowledgement !== undefined &&
    options.acknowledgement !== 'applied' &&
    options.acknowledgement !== 'decided'
  ) {
    throw new RangeError(`acknowledgement must be applied or decided, not ${options.acknowledgement}`);
  }
}
