// What operators do to transactions: judged by the engine, written to the log before the effect, shown before it is done.
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../log/log.ts';
import type { LogRecord } from '../log/record.ts';
import { CoordinatorError } from '../xa/errors.ts';
import { type Bqual, type Gtrid, resourceOf } from '../xa/xid.ts';
import { notFoundError } from './answers.ts';
import type { Directory } from './directory.ts';
import type { Driver } from './driver.ts';
import { type Judgement, judge, type Resolution } from './engine/operator.ts';
import type { Logger } from './logger.ts';
import type { Transaction } from './transaction.ts';

export interface OperatorRequest {
  readonly gtrid: Gtrid;
  readonly resolution: Resolution;
  readonly requestId: string;
  readonly operator: string;
  readonly reason: string;
  readonly dryRun: boolean;
  /** 0: any. */
  readonly expectedVersion: number;
}

export interface ResolutionsParts {
  readonly driver: Driver;
  readonly directory: Directory;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Action = Extract<LogRecord, { kind: 'operator-action' }>['action'];

export class Resolutions {
  readonly #parts: ResolutionsParts;
  /** One operator at a time for each transaction: the second judges what the first has left (faults F94). */
  readonly #busy = new Set<Gtrid>();

  constructor(parts: ResolutionsParts) {
    this.#parts = parts;
  }

  /**
   * @returns what was done, or would be done, one sentence each. A repeated request id changes nothing more, also after a restart.
   * @throws {CoordinatorError} TXN_NOT_FOUND, TXN_STATE, RESOLUTION_CONTRADICTS, VERSION_CONFLICT, FIELD_INVALID, LOG_FAILED.
   */
  async resolve(request: OperatorRequest): Promise<readonly string[]> {
    const { driver, log } = this.#parts;
    const { gtrid, requestId } = request;
    if (requestId !== '' && log.history(gtrid).some((record) => isActionOf(record, requestId))) {
      return ['nothing more: the log holds this action already'];
    }
    const transaction = driver.registry.find(gtrid);
    if (transaction === undefined) {
      throw notFoundError(gtrid);
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
    if (this.#busy.has(gtrid)) {
      throw new CoordinatorError('VERSION_CONFLICT', `another operator is acting on ${gtrid} just now`);
    }
    this.#busy.add(gtrid);
    try {
      await this.#carryOut(transaction, request);
    } finally {
      this.#busy.delete(gtrid);
    }
    return effects;
  }

  async #carryOut(transaction: Transaction, request: OperatorRequest): Promise<void> {
    const { driver, log, clock, logger } = this.#parts;
    const { gtrid, resolution, operator, reason, requestId } = request;
    const action = actionOf(resolution);
    // Durable before its effect: whoever reads the log later sees who did it, even if the effect was lost in a crash.
    await log.append(
      [
        {
          kind: 'operator-action',
          gtrid,
          action,
          ...(resolution.kind === 'branch' && { bqual: resolution.bqual }),
          operator,
          reason,
          requestId,
          wallTime: clock.wallTime(),
        },
      ],
      'forced',
    );
    logger.warn({ evt: 'operator-action', txn: gtrid, action, operator });
    transaction.operatorAction = true;
    switch (resolution.kind) {
      case 'rollback':
        // The transaction may have been decided while the record was written; then the decision stands (D2).
        driver.apply(transaction, {
          kind: 'operator-rollback',
          reason: { code: 'TXN_ROLLED_BACK', message: `an operator rolled it back: ${reason}`, retryable: true },
        });
        break;
      case 'branch':
        driver.apply(transaction, {
          kind: 'operator-vouched',
          bqual: resolution.bqual,
          end: resolution.end,
          proof: `${operator} vouched for it: ${reason}`,
        });
        break;
      case 'forget':
        driver.registry.outcomes.remove(gtrid);
        break;
    }
  }

  #allowed(transaction: Transaction, resolution: Resolution): Extract<Judgement, { kind: 'allowed' }> {
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
      return 'rollback';
    case 'branch':
      return resolution.end === 'committed' ? 'branch-committed' : 'branch-rolled-back';
    case 'forget':
      return 'forget';
  }
}

function isActionOf(record: LogRecord, requestId: string): boolean {
  return record.kind === 'operator-action' && record.requestId === requestId;
}
