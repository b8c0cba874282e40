// The unary services as a program in any language would call them: generated messages in, answers or refusals out.
import {
  type CallOptions,
  type Client,
  credentials,
  Metadata,
  makeClientConstructor,
  type requestCallback,
  type ServiceError,
} from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import type { AdminServiceClient } from '../../src/gen/concordat/v1/AdminService.ts';
import type { TransactionServiceClient } from '../../src/gen/concordat/v1/TransactionService.ts';
import { wire } from '../../src/wire/proto.ts';
import { fromServiceError } from '../../src/wire/status.ts';
import type { CoordinatorError } from '../../src/xa/errors.ts';

/** What the generated clients offer last, of every call. */
type Method<Request, Response> = (request: Request, done: requestCallback<Response>) => unknown;
/** What they take as well. */
type FullMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: CallOptions,
  done: requestCallback<Response>,
) => unknown;

export interface CallContext {
  readonly metadata?: Metadata;
  readonly options?: CallOptions;
}

export type Call<Request, Response> = (request: Request, context?: CallContext) => Promise<Response>;

function promised<Request, Response>(client: Client, method: Method<Request, Response>): Call<Request, Response> {
  // The overload that takes everything is not the one that types can be inferred from.
  const full = method.bind(client) as unknown as FullMethod<Request, Response>;
  return (request, { metadata = new Metadata(), options = {} } = {}) =>
    new Promise((resolve, reject) =>
      full(request, metadata, options, (error, response) =>
        error === null ? resolve(response as Response) : reject(error),
      ),
    );
}

const HealthClient = makeClientConstructor(healthService, 'Health');

/** One connection with every unary method of the coordinator as a promise; a refusal rejects with its ServiceError. */
export function openApi(address: string) {
  // A connection of its own: what one test does to it is no business of the next.
  const channel = { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_send_message_length': -1 };
  const insecure = credentials.createInsecure();
  const transactions: TransactionServiceClient = new wire.TransactionService(address, insecure, channel);
  const admin: AdminServiceClient = new wire.AdminService(address, insecure, channel);
  const health = new HealthClient(address, insecure, channel);
  return {
    begin: promised(transactions, transactions.Begin),
    enlist: promised(transactions, transactions.Enlist),
    commit: promised(transactions, transactions.Commit),
    rollback: promised(transactions, transactions.Rollback),
    setRollbackOnly: promised(transactions, transactions.SetRollbackOnly),
    getTransaction: promised(transactions, transactions.GetTransaction),
    list: promised(admin, admin.ListTransactions),
    show: promised(admin, admin.GetTransaction),
    resolve: promised(admin, admin.ResolveTransaction),
    forget: promised(admin, admin.ForgetTransaction),
    retry: promised(admin, admin.RetryTransaction),
    resources: promised(admin, admin.ListResources),
    scan: promised(admin, admin.ScanResource),
    accept: promised(admin, admin.AcceptResource),
    forgetResource: promised(admin, admin.ForgetResource),
    drain: promised(admin, admin.Drain),
    audit: promised(admin, admin.ListAudit),
    logStatus: promised(admin, admin.GetLogStatus),
    backup: promised(admin, admin.BackupLog),
    adoptLog: promised(admin, admin.AdoptLog),
    health: promised(health, health['check'] as Method<{ service: string }, { status: string }>),
    close: (): void => {
      transactions.close();
      admin.close();
      health.close();
    },
  };
}

export type Api = ReturnType<typeof openApi>;

export interface Refusal {
  /** gRPC status code. */
  readonly status: number;
  /** Reason of the catalogue, from the details; what the transport says becomes one of its own. */
  readonly code: CoordinatorError['code'];
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a call was refused with. @throws {Error} when it was answered. */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  let answer: unknown;
  try {
    answer = await call;
  } catch (error) {
    const { code, message, metadata } = fromServiceError(error as ServiceError);
    return { status: (error as ServiceError).code, code, message, metadata };
  }
  throw new Error(`not refused: ${JSON.stringify(answer)}`);
}
