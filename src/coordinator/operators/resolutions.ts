// What operators do to transactions: judged by the engine, written to the log before the effect, shown before it is done.
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Log } from '../../log/log.ts';
import type { LogRecord } from '../../log/record.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { type Bqual, type Gtrid, resourceOf } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import { notFoundError } from '../driver/answers.ts';
import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../driver/registry.ts';
import type { HeldTransaction } from '../driver/transaction.ts';
import { type Judgement, judge, type Resolution } from '../engine/operator.ts';
import { outcomeOf } from '../engine/state.ts';
import type { LostDecisions } from '../reports/lost-decisions.ts';
import type { Quarantine } from '../reports/quarantine.ts';

interface OperatorRequest {
  readonly gtrid: Gtrid;
  readonly resolution: Resolution;
  readonly requestId: string;
  readonly operator: string;
  readonly reason: string;
  readonly dryRun: boolean;
  /** 0: any. */
  readonly expectedVersion: number;
}

interface ResolutionsParts {
  readonly driver: Driver;
  readonly transactions: Registry;
  readonly directory: Directory;
  readonly log: Log;
  readonly quarantine: Quarantine;
  readonly lost: LostDecisions;
  readonly clock: Clock;
  readonly logger: EventLogger;
}

type Action = Extract<LogRecord, { kind: 'operator-action' }>['action'];

export class Resolutions {
  readonly #parts: ResolutionsParts;
  /** One operator at a time for each transaction: the second judges what the first has left (faults F94). */
  readonly #busy = new Map<Gtrid, { readonly requestId: string; readonly done: Promise<void> }>();

  constructor(parts: ResolutionsParts) {
    this.#parts = parts;
  }

  /**
   * @returns what was done, or would be done, one sentence each. A repeated request id changes nothing more, also after a restart.
   * @throws {CoordinatorError} TXN_NOT_FOUND, TXN_STATE, RESOLUTION_CONTRADICTS, VERSION_CONFLICT, REQUEST_ID_REUSED,
   *   FIELD_INVALID, LOG_FAILED, EPOCH_STALE.
   */
  async resolve(request: OperatorRequest): Promise<readonly string[]> {
    const { transactions } = this.#parts;
    const { gtrid, requestId } = request;
    if (await this.#isRepeated(request)) {
      return ['nothing more: the log holds this action already'];
    }
    const transaction = transactions.find(gtrid);
    if (transaction === undefined) {
      return await this.#settleLost(request);
    }
    if (request.expectedVersion !== 0 && transaction.version !== request.expectedVersion) {
      throw new CoordinatorError(
        'VERSION_CONFLICT',
        `${gtrid} is at version ${transaction.version}, and you looked at ${request.expectedVersion}`,
      );
    }
    const { effects } = this.#allowed(transaction, request.resolution);
    if (request.dryRun) {
      return effects;
    }
    await this.#alone(gtrid, requestId, () => this.#carryOut(transaction, request));
    return effects;
  }

  /** A transaction whose decision this log has lost, and of which branches are prepared. */
  async #settleLost(request: OperatorRequest): Promise<readonly string[]> {
    const { driver, quarantine, lost } = this.#parts;
    const { gtrid, requestId } = request;
    driver.ensureUsable();
    if (quarantine.of(gtrid).length === 0) {
      throw notFoundError(gtrid);
    }
    const { word, effects } = lost.judge(gtrid, request.resolution);
    if (request.dryRun) {
      return effects;
    }
    await this.#alone(gtrid, requestId, async () => {
      const records = lost.records(gtrid, word, requestId);
      await this.#write(request, records);
      lost.release(gtrid, word, records);
    });
    return effects;
  }

  async #alone(gtrid: Gtrid, requestId: string, act: () => Promise<void>): Promise<void> {
    if (this.#busy.has(gtrid)) {
      throw new CoordinatorError('VERSION_CONFLICT', `another operator is acting on ${gtrid} just now`);
    }
    const done = act();
    this.#busy.set(gtrid, { requestId, done });
    try {
      await done;
    } finally {
      this.#busy.delete(gtrid);
    }
  }

  /** Durable before its effect: whoever reads the log later sees who did it, even if the effect was lost in a crash. */
  async #write(request: OperatorRequest, also: readonly LogRecord[]): Promise<void> {
    const { driver, log, clock, logger } = this.#parts;
    driver.ensureUsable(); // A refused log takes no word: it may become the log again, and would stand by what was said of a copy.
    const { gtrid, resolution, operator, reason, requestId } = request;
    const action = actionOf(resolution);
    const record: LogRecord = {
      kind: 'operator-action',
      gtrid,
      action,
      ...(resolution.kind === 'branch' && { bqual: resolution.bqual }),
      operator,
      reason,
      requestId,
      wallTime: clock.wallTime(),
    };
    await log.append([record, ...also], 'forced');
    logger.warn({ evt: 'operator-action', txn: gtrid, action, operator });
  }

  /** Whether the log holds the action under this id; one that is being written is waited for. */
  async #isRepeated({ gtrid, requestId, resolution }: OperatorRequest): Promise<boolean> {
    if (requestId === '') {
      return false;
    }
    const underWay = this.#busy.get(gtrid);
    if (underWay?.requestId === requestId) {
      await underWay.done;
    }
    const earlier = this.#parts.log.history(gtrid).find((record) => isActionOf(record, requestId));
    if (earlier !== undefined && !isThe(resolution, earlier)) {
      throw new CoordinatorError(
        'REQUEST_ID_REUSED',
        `request id ${requestId} was used for another action on ${gtrid}`,
      );
    }
    return earlier !== undefined;
  }

  async #carryOut(transaction: HeldTransaction, request: OperatorRequest): Promise<void> {
    const { driver, transactions, log } = this.#parts;
    const { gtrid, resolution, operator, reason } = request;
    // Whoever forgets a decision accounts for what is left of it: without this it would be told again after a restart (D7).
    const { state } = transaction;
    const isDecided =
      state.kind === 'completed' && state.decision === 'commit' && log.outcome(gtrid).kind === 'decided';
    const closes = resolution.kind === 'forget' && isDecided;
    await this.#write(request, closes ? [{ kind: 'finished', gtrid }] : []);
    switch (resolution.kind) {
      case 'rollback':
        driver.act(transaction, {
          kind: 'operator-rollback',
          reason: { code: 'TXN_ROLLED_BACK', message: `an operator rolled it back: ${reason}`, retryable: true },
        });
        ensureEffect(transaction, resolution);
        break;
      case 'branch':
        driver.act(transaction, {
          kind: 'operator-vouched',
          bqual: resolution.bqual,
          end: resolution.end,
          proof: `${operator} vouched for it: ${reason}`,
        });
        break;
      case 'forget':
        transactions.forget(gtrid);
        break;
      case 'commit':
        break; // Never allowed for a transaction that is held.
    }
  }

  #allowed(transaction: HeldTransaction, resolution: Resolution): Extract<Judgement, { kind: 'allowed' }> {
    const reachable = (bqual: Bqual): boolean => this.#parts.directory.sidecarOf(resourceOf(bqual)) !== undefined;
    const judgement = judge(transaction.state, resolution, reachable);
    if (judgement.kind === 'refused') {
      throw new CoordinatorError(judgement.code, judgement.message, { metadata: { gtrid: transaction.gtrid } });
    }
    return judgement;
  }
}

function actionOf(resolution: Resolution): Action {
  switch (resolution.kind) {
    case 'rollback':
    case 'commit':
      return resolution.kind;
    case 'branch':
      return resolution.end === 'committed' ? 'branch-committed' : 'branch-rolled-back';
    case 'forget':
      return 'forget';
  }
}

function isActionOf(record: LogRecord, requestId: string): boolean {
  return record.kind === 'operator-action' && record.requestId === requestId;
}

function isThe(resolution: Resolution, record: LogRecord): boolean {
  const bqual = resolution.kind === 'branch' ? resolution.bqual : undefined;
  return record.kind === 'operator-action' && record.action === actionOf(resolution) && record.bqual === bqual;
}

/** The log holds what an operator did, and its effect came too late: the transaction had moved while the record was written (D2). */
function ensureEffect({ gtrid, state }: HeldTransaction, resolution: Resolution): void {
  if (resolution.kind === 'rollback' && (outcomeOf(state) ?? 'committed') === 'committed') {
    throw new CoordinatorError(
      'RESOLUTION_CONTRADICTS',
      `${gtrid} was being committed before your action was in the log, and is not rolled back: it is ${state.kind}`,
      { metadata: { gtrid } },
    );
  }
}
