// What a branch sends through its session: BEGIN ahead of its first statement, and a fence when a prepare's answer is lost.

import type { EvidenceRow } from '../../xa/evidence.ts';
import { RESULT_BYTES_MAX, RESULT_ROWS_MAX } from '../../xa/limits.ts';
import type { FinishResult } from '../../xa/vocabulary.ts';
import type { BranchOptions } from '../resource-manager.ts';
import type { BatchOutcome, Request, Step } from './batch.ts';
import { gidLiteral, sessionTag } from './gid.ts';
import { insertRowStep } from './rows.ts';
import type { Backend, PgSession } from './session.ts';

/** What a branch asks of its adapter when its own session cannot tell any more. Bounded, and never rejecting. */
export interface BranchHost {
  readonly callTimeoutMs: number;
  /** The branch has ended. A session that is not `clean` may carry something over to the next branch. */
  release(session: PgSession, clean: boolean): void;
  /** Ends a server process that may still execute what the branch sent; resolves when it is gone, or could not be ended now. */
  abandon(row: EvidenceRow, backend: Backend): Promise<void>;
  rollbackPrepared(row: EvidenceRow): Promise<void>;
  /** How a one-phase commit ended whose answer was lost. */
  proveOnePhase(row: EvidenceRow, backend: Backend): Promise<FinishResult>;
}

const LIMITS = { rowsMax: RESULT_ROWS_MAX, bytesMax: RESULT_BYTES_MAX };

export class BranchWire {
  readonly session: PgSession;
  readonly #host: BranchHost;
  readonly #row: EvidenceRow;
  readonly #options: BranchOptions;
  #begun = false;
  #mayBePrepared = false;

  constructor(host: BranchHost, session: PgSession, row: EvidenceRow, options: BranchOptions) {
    this.session = session;
    this.#host = host;
    this.#row = row;
    this.#options = options;
  }

  /** BEGIN was sent. */
  get begun(): boolean {
    return this.#begun;
  }

  /** PREPARE TRANSACTION was sent, and no answer has told what became of it. */
  get mayBePrepared(): boolean {
    return this.#mayBePrepared;
  }

  get prepareText(): string {
    return `prepare transaction ${gidLiteral(this.#row)}`;
  }

  /** Statements of the application, as long as they take; the results are theirs alone. */
  async run(steps: readonly Step[], prepares = false): Promise<BatchOutcome> {
    const opening = this.#begun ? [] : this.#opening();
    this.#begun = true;
    const outcome = await this.#watched(prepares, () =>
      this.session.run({ kind: 'steps', steps: [...opening, ...steps] }, { limits: LIMITS }),
    );
    return outcome.kind === 'answered' ? { ...outcome, results: outcome.results.slice(opening.length) } : outcome;
  }

  /** A statement of our own, which must be answered in time. */
  call(text: string): Promise<BatchOutcome> {
    return this.#call({ kind: 'simple', text }, false);
  }

  /** The row and the end of a branch that wrote. */
  callWithRow(end: 'prepare' | 'commit'): Promise<BatchOutcome> {
    const prepares = end === 'prepare';
    const steps = [insertRowStep(this.#row), { text: prepares ? this.prepareText : 'commit' }];
    return this.#call({ kind: 'steps', steps }, prepares);
  }

  #call(request: Request, prepares: boolean): Promise<BatchOutcome> {
    return this.#watched(prepares, () => this.session.run(request, { timeoutMs: this.#host.callTimeoutMs }));
  }

  async #watched(prepares: boolean, run: () => Promise<BatchOutcome>): Promise<BatchOutcome> {
    this.#mayBePrepared = prepares;
    const outcome = await run();
    if (outcome.kind === 'answered') {
      this.#mayBePrepared = false;
    } else if (prepares) {
      // The vote does not wait for it: a branch that is found prepared later is rolled back by reconciliation.
      void this.#host.abandon(this.#row, this.session.backend);
    }
    return outcome;
  }

  #opening(): readonly Step[] {
    const { isolation, readOnly } = this.#options;
    const idleTimeoutMs = wholeMs(this.#options.idleTimeoutMs);
    const level = isolation === 'default' ? '' : ` isolation level ${isolation.replace('-', ' ')}`;
    // With an empty list of values: a statement that the session keeps.
    const begin = { text: `begin${level}${readOnly ? ' read only' : ''}`, values: [] };
    // LOCAL: both end with the transaction, also at PREPARE, so that the pooled session is as it was. Not set_config, which the session
    // could keep: a query would take the snapshot of the branch before the application's first lock.
    const tag = { text: `set local application_name = '${sessionTag(this.#row)}'` };
    const idle = { text: `set local idle_in_transaction_session_timeout = ${idleTimeoutMs}` };
    return idleTimeoutMs === this.session.idleTimeoutMs ? [begin, tag] : [begin, tag, idle];
  }
}

/** PostgreSQL's timeouts are whole milliseconds, and 0 switches them off. */
export function wholeMs(ms: number): number {
  return Math.min(Math.max(1, Math.round(ms)), 2 ** 31 - 1);
}
