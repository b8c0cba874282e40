// A coordinator that says what a test wants: AdminService and health over real gRPC, answers from a script, calls remembered.
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { GetLogStatusResponse } from '../../src/gen/concordat/v1/GetLogStatusResponse.ts';
import type { ResourceInfo } from '../../src/gen/concordat/v1/ResourceInfo.ts';
import type { TransactionInfo } from '../../src/gen/concordat/v1/TransactionInfo.ts';
import { wire } from '../../src/wire/proto.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { toStatus } from '../../src/wire/status.ts';

export type Handler = (request: Record<string, unknown>) => object | Promise<object>;

export interface ScriptedCoordinator extends AsyncDisposable {
  /** host:port */
  readonly address: string;
  /** Every call in order: its name and what the client sent. */
  readonly calls: { readonly method: string; readonly request: Record<string, unknown> }[];
}

export interface Script {
  readonly health?: 'SERVING' | 'NOT_SERVING' | 'none';
  /** By method name; a method without a handler answers UNIMPLEMENTED, as an older server does. */
  readonly handlers: Readonly<Record<string, Handler>>;
}

export async function openScriptedCoordinator(script: Script): Promise<ScriptedCoordinator> {
  const server = new Server();
  const calls: ScriptedCoordinator['calls'] = [];
  const implementation = Object.fromEntries(
    Object.entries(script.handlers).map(([method, handler]) => [
      method,
      (call: ServerUnaryCall<Record<string, unknown>, object>, callback: sendUnaryData<object>) => {
        calls.push({ method, request: call.request });
        Promise.resolve()
          .then(() => handler(call.request))
          .then(
            (answer) => callback(null, answer),
            (error: unknown) => callback(toStatus(error)),
          );
      },
    ]),
  );
  server.addService(wire.AdminService.service, implementation as never);
  if (script.health !== 'none') {
    new HealthImplementation({ '': script.health ?? 'SERVING' }).addToServer(server);
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    calls,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

export const ID = 'jx3k5q2m7a.2.1f';

export function transaction(fields: TransactionInfo = {}): TransactionInfo {
  return {
    gtrid: ID,
    state: 'TRANSACTION_STATE_COMMITTING',
    outcome: 'OUTCOME_COMMITTED',
    version: 7,
    ageMs: 200_000,
    branches: [
      {
        bqual: 'accounts',
        resource: 'accounts',
        state: 'BRANCH_STATE_COMMITTED',
        evidence: { row: 'k4hn2wq7ytzb' },
        attempts: 1,
      },
      {
        bqual: 'orders',
        resource: 'orders',
        state: 'BRANCH_STATE_COMMITTING',
        evidence: { row: 'u3c6vm5xdfpa' },
        reason: {
          code: 'ENGINE_UNAVAILABLE',
          message: 'connect ECONNREFUSED 10.0.0.7:3306',
          sqlstate: '',
          errno: 0,
          retryable: true,
        },
        attempts: 9,
        nextAttemptInMs: 12_400,
      },
    ],
    ...fields,
  };
}

export function logStatus(fields: GetLogStatusResponse = {}): GetLogStatusResponse {
  return {
    logIdentity: 'jx3k5q2m7a',
    epoch: 2,
    path: '/var/lib/concordat/log.db',
    lastSequence: 4_711,
    records: 4_600,
    bytes: 1_572_864,
    unfinishedDecisions: 1,
    freeBytes: 53_687_091_200,
    flushMicros: 850,
    flushLane: 'inline',
    forcedWrites: 2_100,
    version: '0.1.0',
    protocolVersion: PROTOCOL.protocolHighest,
    ...fields,
  };
}

export function resource(fields: ResourceInfo = {}): ResourceInfo {
  return {
    name: 'accounts',
    engine: 'postgresql',
    engineVersion: '17.6',
    engineIdentity: 'postgresql:7433000000000000001:16384',
    participants: [
      {
        instance: 'p1',
        kind: 'PARTICIPANT_KIND_SIDECAR',
        address: '127.0.0.1:9001',
        attachedMs: 3_600_000,
        warnings: [],
      },
    ],
    pendingBranches: 0,
    oldestPendingAgeMs: 0,
    quarantinedBranches: 0,
    ...fields,
  };
}

/** A healthy coordinator; tests override what they are about. */
export function healthyHandlers(overrides: Readonly<Record<string, Handler>> = {}): Readonly<Record<string, Handler>> {
  return {
    GetLogStatus: () => logStatus(),
    ListResources: () => ({ resources: [resource()] }),
    ListTransactions: () => ({ transactions: [], nextPageToken: '' }),
    ScanResource: () => ({ branches: [], findings: [] }),
    GetTransaction: () => ({ transaction: transaction(), observations: [], explanation: [] }),
    ...overrides,
  };
}
