// One round trip: several statements written back to back with one Sync, or one simple query, and everything that came back.
// PostgreSQL skips the rest of a batch after its first error, so that nothing behind a failed statement is ever executed.
import type { DatabaseError, FieldDef } from 'pg';
import type { PgSubmittable, WireConnection } from './driver-insides.ts';
import { type BatchStep, batchFrame } from './frames.ts';

export type { BatchStep } from './frames.ts';

/** The SQLSTATE fields of an error message, as the driver hands it over. */
export type PgError = Pick<DatabaseError, 'message' | 'code' | 'hint' | 'routine' | 'severity'>;

export type BatchRequest =
  | {
      readonly kind: 'steps';
      readonly steps: readonly BatchStep[];
      /** Names that the server is to forget. */
      readonly dropped?: readonly string[];
    }
  /** Text without parameters, built by us alone. */
  | { readonly kind: 'simple'; readonly text: string };

export interface StepResult {
  /** The whole command tag, for instance `INSERT 0 1` or `PREPARE TRANSACTION`. */
  readonly tag: string;
  readonly fields: readonly FieldDef[];
  readonly rows: readonly (readonly (string | null)[])[];
}

/** `I`: no transaction; `T`: in one; `E`: in one that failed. */
export type BlockStatus = 'I' | 'T' | 'E';

export type BatchOutcome =
  | {
      readonly kind: 'answered';
      /** One for each statement that completed, in order; fewer than were sent after an error. */
      readonly results: readonly StepResult[];
      readonly error: PgError | undefined;
      readonly status: BlockStatus;
      /** The engine told that its wait for a synchronous standby was cut off: what it answers may be lost by a failover. */
      readonly isUnreplicated: boolean;
    }
  /** The connection ended before the answer was whole: what was executed is unknown. */
  | { readonly kind: 'lost'; readonly error: unknown }
  /** More rows or bytes than allowed: the connection was destroyed, and what was executed is unknown. */
  | { readonly kind: 'too-large'; readonly message: string };

export interface BatchLimits {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** The wait for synchronous standbys ends with this warning, and with success, when somebody cancels it. */
function isUnreplicated(notice: unknown): boolean {
  return (notice as { readonly routine?: unknown } | undefined)?.routine === 'SyncRepWaitForLSN';
}

/**
 * Submitted to a client by its session, which reports `ready`, `lost` and received bytes: the driver forgets a query at its
 * first error, but the transaction status comes later, with ReadyForQuery.
 */
export class Batch implements PgSubmittable {
  readonly outcome: Promise<BatchOutcome>;
  readonly #request: BatchRequest;
  readonly #limits: BatchLimits | undefined;
  readonly #settle: (outcome: BatchOutcome) => void;
  readonly #results: StepResult[] = [];
  #fields: readonly FieldDef[] = [];
  #rows: (readonly (string | null)[])[] = [];
  #bytes = 0;
  #error: PgError | undefined;
  /** What the driver says of the connection, or of its own patience with it: no answer of the engine. */
  #trouble: Error | undefined;
  #excess: string | undefined;
  #isUnreplicated = false;

  constructor(request: BatchRequest, limits: BatchLimits | undefined) {
    this.#request = request;
    this.#limits = limits;
    let settle: (outcome: BatchOutcome) => void = () => undefined;
    this.outcome = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
  }

  submit(given: unknown): void {
    const connection = given as WireConnection;
    const request = this.#request;
    if (request.kind === 'simple') {
      connection.query(request.text);
    } else if (connection.stream.writable) {
      connection.stream.write(batchFrame(request.steps, request.dropped ?? []));
    }
  }

  /** Counts what arrives. True: the limit is passed, and the caller must destroy the connection. */
  received(bytes: number): boolean {
    this.#bytes += bytes;
    if (this.#limits !== undefined && this.#bytes > this.#limits.bytesMax) {
      this.#excess ??= `the answer is larger than ${this.#limits.bytesMax} bytes`;
    }
    return this.#excess !== undefined;
  }

  noticed(notice: unknown): void {
    this.#isUnreplicated ||= isUnreplicated(notice);
  }

  /** True: the limit was passed within the last packet, and the caller must destroy the connection all the same. */
  ready(status: BlockStatus): boolean {
    this.#settle(
      this.#excess === undefined
        ? {
            ...{ kind: 'answered', results: this.#results, error: this.#error, status },
            isUnreplicated: this.#isUnreplicated,
          }
        : { kind: 'too-large', message: this.#excess },
    );
    return this.#excess !== undefined;
  }

  lost(error: unknown): void {
    this.#settle(
      this.#excess === undefined
        ? { kind: 'lost', error: this.#error ?? this.#trouble ?? error }
        : { kind: 'too-large', message: this.#excess },
    );
  }

  // What follows is called by the driver.

  handleRowDescription(message: { readonly fields: readonly FieldDef[] }): void {
    this.#fields = message.fields;
  }

  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void {
    if (this.#limits !== undefined && this.#rows.length >= this.#limits.rowsMax) {
      this.#excess ??= `the answer has more than ${this.#limits.rowsMax} rows`;
      this.#rows = [];
      return;
    }
    this.#rows.push(message.fields);
  }

  handleCommandComplete(message: { readonly text: string }): void {
    this.#results.push({ tag: message.text, fields: this.#fields, rows: this.#rows });
    this.#fields = [];
    this.#rows = [];
  }

  handleEmptyQuery(): void {
    this.handleCommandComplete({ text: '' });
  }

  /** The driver reports errors of the engine and of the connection alike. Only those of the engine have a severity. */
  handleError(error: Error): void {
    if ('severity' in error) {
      this.#error ??= error as unknown as PgError;
    } else {
      this.#trouble ??= error;
    }
  }

  handleReadyForQuery(): void {}

  handlePortalSuspended(): void {}

  handleCopyInResponse(connection: WireConnection): void {
    connection.sendCopyFail('COPY needs a stream, and a branch has none');
  }

  handleCopyData(): void {}
}
