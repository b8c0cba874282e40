// AdminService, request by request: what operators see and do.

import type { AcceptResourceRequest__Output as AcceptRequest } from '../../gen/concordat/v1/AcceptResourceRequest.ts';
import type { AcceptResourceResponse } from '../../gen/concordat/v1/AcceptResourceResponse.ts';
import type { AdminGetTransactionRequest__Output as GetRequest } from '../../gen/concordat/v1/AdminGetTransactionRequest.ts';
import type { AdminGetTransactionResponse } from '../../gen/concordat/v1/AdminGetTransactionResponse.ts';
import type { AdoptLogRequest__Output as AdoptRequest } from '../../gen/concordat/v1/AdoptLogRequest.ts';
import type { BranchObservation } from '../../gen/concordat/v1/BranchObservation.ts';
import type { ForgetResourceRequest__Output as ForgetResourceRequest } from '../../gen/concordat/v1/ForgetResourceRequest.ts';
import type { ForgetResourceResponse } from '../../gen/concordat/v1/ForgetResourceResponse.ts';
import type { ForgetTransactionRequest__Output as ForgetRequest } from '../../gen/concordat/v1/ForgetTransactionRequest.ts';
import type { ListAuditRequest__Output as ListAuditRequest } from '../../gen/concordat/v1/ListAuditRequest.ts';
import type { ListAuditResponse } from '../../gen/concordat/v1/ListAuditResponse.ts';
import type { ListResourcesResponse } from '../../gen/concordat/v1/ListResourcesResponse.ts';
import type { ListTransactionsRequest__Output as ListRequest } from '../../gen/concordat/v1/ListTransactionsRequest.ts';
import type { ListTransactionsResponse } from '../../gen/concordat/v1/ListTransactionsResponse.ts';
import type { ResolveTransactionRequest__Output as ResolveRequest } from '../../gen/concordat/v1/ResolveTransactionRequest.ts';
import type { ResolveTransactionResponse } from '../../gen/concordat/v1/ResolveTransactionResponse.ts';
import type { ScanResourceResponse } from '../../gen/concordat/v1/ScanResourceResponse.ts';
import type { TransactionInfo__Output as TransactionInfo } from '../../gen/concordat/v1/TransactionInfo.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../log/log.ts';
import { fromWireEvidence } from '../../wire/evidence.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { NO_EVIDENCE } from '../../xa/evidence.ts';
import { ENGINE_IDENTITY_BYTES_MAX, OPERATOR_REASON_CHARS_MIN, REASON_CHARS_MAX } from '../../xa/limits.ts';
import { type Gtrid, resourceOf } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../driver/registry.ts';
import { HeldTransaction } from '../driver/transaction.ts';
import { wireBranches, wireEnded, wireState, wireTransaction } from '../edge/describe.ts';
import { decodeBqual, decodeGtrid, decodeRequestId, decodeResource, decodeText, invalid } from '../edge/requests.ts';
import type { Resolution } from '../engine/operator.ts';
import type { Found } from '../engine/question.ts';
import type { LogCopy } from '../identity/log-copy.ts';
import type { OtherLogs } from '../identity/other-logs.ts';
import type { Successors } from '../identity/successors.ts';
import type { Quarantine } from '../reports/quarantine.ts';
import { explain, explainKept } from './explain.ts';
import { auditPage } from './past.ts';
import type { Resolutions } from './resolutions.ts';
import { resourcePage } from './resource-page.ts';
import { finishedPage, selectPage } from './transaction-page.ts';

const OPERATOR_CHARS_MAX = 200;
/** Pending branches in one answer, for one person's eyes. */
const PENDING_SHOWN_MAX = 1_000;

interface AdminApiParts {
  readonly driver: Driver;
  readonly transactions: Registry;
  readonly directory: Directory;
  /** The transaction if it is held in memory, else what can be told of it. */
  readonly find: (gtrid: Gtrid) => Promise<HeldTransaction | Found>;
  readonly resolutions: Resolutions;
  readonly successors: Successors;
  readonly quarantine: Quarantine;
  readonly copy: LogCopy;
  readonly others: OtherLogs;
  readonly clock: Clock;
  readonly log: Log;
}

export class AdminApi {
  readonly #parts: AdminApiParts;
  readonly #startedAt: number;

  constructor(parts: AdminApiParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
  }

  listTransactions(request: ListRequest): ListTransactionsResponse {
    const { transactions, clock } = this.#parts;
    if (request.finished) {
      return finishedPage(this.#parts, request);
    }
    return selectPage([...transactions.all(), ...transactions.heuristic()], request, clock.now());
  }

  listAudit(request: ListAuditRequest): ListAuditResponse {
    return auditPage(this.#parts, request);
  }

  async getTransaction(request: GetRequest): Promise<AdminGetTransactionResponse> {
    const { find, directory, clock } = this.#parts;
    const gtrid = decodeGtrid(request.gtrid);
    const kept = this.#parts.quarantine.of(gtrid);
    if (kept.length > 0) {
      return { transaction: wireEnded(gtrid, 'unknown'), observations: [], explanation: explainKept(gtrid, kept) };
    }
    const found = await find(gtrid);
    if (found instanceof HeldTransaction) {
      const observations = request.probe ? await this.#probe(found) : [];
      const now = clock.now();
      return {
        transaction: wireTransaction(found, now),
        observations,
        explanation: [...explain(found, directory, now)],
      };
    }
    switch (found.kind) {
      case 'outcome':
        return {
          transaction: wireEnded(gtrid, found.outcome, found.committed?.all),
          observations: [],
          explanation: [`It is over: ${found.outcome}. Nothing of it is left to do.`],
        };
      case 'unknown':
        return {
          transaction: wireEnded(gtrid, 'unknown'),
          observations: [],
          explanation: [
            'The log holds no decision of it. If it had two branches or more, it was rolled back; with a single one only its engine can tell.',
          ],
        };
      case 'expired':
        throw new CoordinatorError('OUTCOME_EXPIRED', `${gtrid} is older than the retained outcomes`);
      case 'not-found':
        throw new CoordinatorError('TXN_NOT_FOUND', `no transaction ${gtrid} is known here`);
    }
  }

  async resolveTransaction(request: ResolveRequest): Promise<ResolveTransactionResponse> {
    const gtrid = decodeGtrid(request.gtrid);
    const effects = await this.#act(gtrid, request, decodeResolution(request), request.expectedVersion);
    return { transaction: this.#show(gtrid), effects: [...effects] };
  }

  async forgetTransaction(request: ForgetRequest): Promise<{ effects: string[] }> {
    const gtrid = decodeGtrid(request.gtrid);
    return { effects: [...(await this.#act(gtrid, request, { kind: 'forget' }, 0))] };
  }

  retryTransaction(request: { readonly gtrid: string }): ResolveTransactionResponse & { branches: number } {
    const gtrid = decodeGtrid(request.gtrid);
    const transaction = this.#parts.transactions.find(gtrid);
    if (transaction === undefined) {
      throw new CoordinatorError('TXN_NOT_FOUND', `no transaction ${gtrid} is known here`);
    }
    return { branches: this.#parts.driver.retryNow(transaction), transaction: this.#show(gtrid) };
  }

  listResources(request: { readonly after: string }): ListResourcesResponse {
    return resourcePage({ ...this.#parts, startedAt: this.#startedAt }, request.after);
  }

  async scanResource(request: { readonly resource: string }): Promise<ScanResourceResponse> {
    const { directory, others } = this.#parts;
    const name = decodeResource(request.resource);
    if (!directory.isRegistered(name)) {
      const known = directory.all().map((resource) => resource.name);
      throw new CoordinatorError(
        'RESOURCE_UNKNOWN',
        `no participant has registered ${name}; known: ${known.join(', ') || 'none'}`,
      );
    }
    const sidecar = directory.sidecarOf(name);
    if (sidecar === undefined) {
      throw new CoordinatorError('RESOURCE_UNAVAILABLE', `the sidecar of ${name} is not attached at the moment`);
    }
    const { branches, findings } = await sidecar.scan();
    return { branches, findings: [...findings, ...others.findings(name, branches)] };
  }

  /** See `LogCopy.adopt`. @throws {CoordinatorError} TXN_STATE, FIELD_INVALID, LOG_FAILED */
  async adoptLog(request: AdoptRequest): Promise<{ effects: string[] }> {
    const { dryRun, incomplete } = request;
    const effects = await this.#parts.copy.adopt({
      requestId: decodeRequestId(request.requestId),
      operator: decodeText('operator', request.operator, dryRun ? 0 : 1, OPERATOR_CHARS_MAX),
      reason: decodeText('reason', request.reason, dryRun ? 0 : OPERATOR_REASON_CHARS_MIN, REASON_CHARS_MAX),
      dryRun,
      incomplete,
    });
    return { effects: [...effects] };
  }

  async acceptResource(request: AcceptRequest): Promise<AcceptResourceResponse> {
    const { pending, formerIdentity, engineIdentity, effects } = await this.#parts.successors.accept({
      resource: decodeResource(request.resource),
      engineIdentity: decodeText('engine_identity', request.engineIdentity, 0, ENGINE_IDENTITY_BYTES_MAX) || undefined,
      ...decodeAct(request),
    });
    return {
      formerIdentity,
      engineIdentity,
      pending: pending.slice(0, PENDING_SHOWN_MAX).map((one) => ({ ...one, state: wireState(one.state) })),
      pendingCount: pending.length,
      effects: [...effects],
    };
  }

  async forgetResource(request: ForgetResourceRequest): Promise<ForgetResourceResponse> {
    const { engineIdentity, effects } = await this.#parts.successors.forget({
      resource: decodeResource(request.resource),
      ...decodeAct(request),
    });
    return { engineIdentity, effects: [...effects] };
  }

  #act(gtrid: Gtrid, request: Act, resolution: Resolution, expectedVersion: number): Promise<readonly string[]> {
    return this.#parts.resolutions.resolve({
      gtrid,
      resolution,
      expectedVersion,
      ...decodeAct(request),
    });
  }

  #show(gtrid: Gtrid): TransactionInfo | null {
    const transaction = this.#parts.transactions.find(gtrid);
    return transaction === undefined ? null : wireTransaction(transaction, this.#parts.clock.now());
  }

  /** Asks every branch's engine at once; one that does not answer is shown as such and holds up nobody (D11). */
  #probe(transaction: HeldTransaction): Promise<BranchObservation[]> {
    const { directory, clock } = this.#parts;
    const branches = wireBranches(transaction, clock.now()).filter(({ state }) => state !== 'BRANCH_STATE_READ_ONLY');
    return Promise.all(
      // A branch that only read has ended with its vote, and its engine knows nothing of it.
      branches.map(async ({ bqual, evidence }): Promise<BranchObservation> => {
        const sidecar = directory.sidecarOf(resourceOf(decodeBqual(bqual)));
        if (sidecar === undefined) {
          return observationError(bqual, 'no participant is attached');
        }
        try {
          const { proof, blockedSessions } = await sidecar.probe(
            transaction.gtrid,
            bqual,
            fromWireEvidence(evidence) ?? NO_EVIDENCE,
          );
          return { bqual, proof: WIRE_PROOF[proof], blockedSessions, error: null };
        } catch (error) {
          return observationError(bqual, error instanceof Error ? error.message : String(error));
        }
      }),
    );
  }
}

/** What every act of an operator says of itself. */
type Act = Pick<ForgetRequest, 'requestId' | 'reason' | 'operator' | 'dryRun'>;

function decodeAct({ requestId, operator, reason, dryRun }: Act): Act {
  return {
    requestId: decodeRequestId(requestId),
    operator: decodeText('operator', operator, dryRun ? 0 : 1, OPERATOR_CHARS_MAX),
    reason: decodeText('reason', reason, dryRun ? 0 : OPERATOR_REASON_CHARS_MIN, REASON_CHARS_MAX),
    dryRun,
  };
}

const WIRE_PROOF = {
  active: 'BRANCH_PROOF_ACTIVE',
  prepared: 'BRANCH_PROOF_PREPARED',
  committed: 'BRANCH_PROOF_COMMITTED',
  'rolled-back': 'BRANCH_PROOF_ROLLED_BACK',
  unproven: 'BRANCH_PROOF_UNPROVEN',
} as const;

function observationError(bqual: string, message: string): BranchObservation {
  const error = { code: 'RESOURCE_UNAVAILABLE', message, sqlstate: '', errno: 0, retryable: true };
  return { bqual, proof: 'BRANCH_PROOF_UNSPECIFIED', blockedSessions: 0, error };
}

function decodeResolution(request: ResolveRequest): Resolution {
  switch (request.resolution) {
    case 'RESOLUTION_ROLLBACK':
      return { kind: 'rollback' };
    case 'RESOLUTION_COMMIT':
      return { kind: 'commit' };
    case 'RESOLUTION_BRANCH_COMMITTED':
      return { kind: 'branch', bqual: decodeBqual(request.bqual), end: 'committed' };
    case 'RESOLUTION_BRANCH_ROLLED_BACK':
      return { kind: 'branch', bqual: decodeBqual(request.bqual), end: 'rolled-back' };
    case 'RESOLUTION_UNSPECIFIED':
      break;
    default:
      request.resolution satisfies never; // Of a newer protocol, then.
  }
  throw invalid('resolution', 'must be ROLLBACK, COMMIT, BRANCH_COMMITTED or BRANCH_ROLLED_BACK');
}
