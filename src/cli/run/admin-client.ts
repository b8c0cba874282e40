// The operator's connection: AdminService and health over one channel, each call with a deadline, each failure in our words.
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { service as healthService } from 'grpc-health-check';
import type { AdminServiceDefinition } from '../../gen/concordat/v1/AdminService.ts';
import { systemClock } from '../../lib/system-clock.ts';
import { wire } from '../../wire/proto.ts';
import { fromServiceError } from '../../wire/status.ts';
import { CoordinatorError, EXIT, STATUS } from '../../xa/errors.ts';
import { formatDuration } from '../show/duration.ts';
import { CliError } from './failure.ts';

export type AdminMethod =
  | 'ListTransactions'
  | 'GetTransaction'
  | 'ListAudit'
  | 'ResolveTransaction'
  | 'ForgetTransaction'
  | 'RetryTransaction'
  | 'ListResources'
  | 'ScanResource'
  | 'AcceptResource'
  | 'ForgetResource'
  | 'GetLogStatus'
  | 'AdoptLog'
  | 'BackupLog'
  | 'Drain';

type Definition = AdminServiceDefinition;
export type RequestOf<M extends AdminMethod> =
  Definition[M] extends MethodDefinition<infer Request, infer _1, infer _2, infer _3> ? Request : never;
type AnswerOf<M extends AdminMethod> =
  Definition[M] extends MethodDefinition<infer _1, infer _2, infer _3, infer Answer> ? Answer : never;

export type Health = 'serving' | 'not-serving' | 'unknown';

/** Hears what is sent; disposed of with the client. */
export interface CallWatch extends Disposable {
  /** A call goes out. What is to be called when it was answered with yes. */
  sent(method: AdminMethod, request: object): () => void;
}

export interface AdminClient extends Disposable {
  /** As the person wrote it, for messages. */
  readonly address: string;
  /** @throws {CoordinatorError} the coordinator's own error. @throws {CliError} nobody answers, or too late. */
  call<M extends AdminMethod>(method: M, request: RequestOf<M>): Promise<AnswerOf<M>>;
  /** @throws {CliError} nobody answers, or too late. */
  health(): Promise<Health>;
}

/** Numbers of gRPC that the catalogue has no code for. */
const UNIMPLEMENTED = 12;
const UNAUTHENTICATED = 16;
/** 1,000 transactions of 64 branches fit. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** Connects when the first call is made. `timeoutMs` bounds each call, never what the coordinator does. */
export function openAdminClient(options: {
  readonly address: string;
  readonly timeoutMs: number;
  readonly interrupt?: CallWatch;
}): AdminClient {
  const client = new Client(options.address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
    // A proxy for the web does not lead to a coordinator, and an operator's shell often has one set.
    'grpc.enable_http_proxy': 0,
  });

  function unary<Request, Answer>(
    definition: Pick<
      MethodDefinition<Request, unknown, unknown, Answer>,
      'path' | 'requestSerialize' | 'responseDeserialize'
    >,
    request: Request,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        definition.path,
        (value: Request) => definition.requestSerialize(value) as Buffer,
        definition.responseDeserialize,
        request,
        new Metadata(),
        { deadline: systemClock.wallTime() + options.timeoutMs },
        (error: ServiceError | null, answer?: Answer) => {
          if (error !== null || answer === undefined) {
            reject(error ?? new Error('The coordinator answered nothing.'));
          } else {
            resolve(answer);
          }
        },
      );
    });
  }

  return {
    address: options.address,
    async call(method, request) {
      const definition: unknown = wire.AdminService.service[method];
      const done = options.interrupt?.sent(method, request as object);
      try {
        const answer = await unary(
          definition as MethodDefinition<typeof request, unknown, unknown, AnswerOf<typeof method>>,
          request,
        );
        done?.();
        return answer;
      } catch (error) {
        throw inOurWords(error as ServiceError, options);
      }
    },
    async health() {
      const definition = healthService['check'] ?? healthService['Check'];
      if (definition === undefined) {
        throw new Error('grpc-health-check defines no Check: reinstall the package.');
      }
      try {
        const answer = await unary(definition as MethodDefinition<object, unknown, unknown, { status: unknown }>, {
          service: '',
        });
        return answer.status === 'SERVING' || answer.status === 1 ? 'serving' : 'not-serving';
      } catch (error) {
        const code = (error as ServiceError).code;
        // A coordinator without that service, or without an opinion, says nothing about its health; the other calls will.
        if (code === UNIMPLEMENTED || code === STATUS.NOT_FOUND) {
          return 'unknown';
        }
        throw inOurWords(error as ServiceError, options);
      }
    },
    [Symbol.dispose]() {
      options.interrupt?.[Symbol.dispose]();
      client.close();
    },
  };
}

function inOurWords(error: ServiceError, options: { readonly address: string; readonly timeoutMs: number }): Error {
  const known = fromServiceError(error);
  const fromCoordinator = (error.metadata?.get('grpc-status-details-bin').length ?? 0) > 0;
  if (fromCoordinator) {
    return known;
  }
  const { address, timeoutMs } = options;
  switch (error.code) {
    case UNIMPLEMENTED:
      return new CoordinatorError('PROTOCOL', `The server at ${address} does not know this call: ${error.details}`, {
        cause: error,
      });
    case UNAUTHENTICATED:
    case STATUS.PERMISSION_DENIED:
      return new CliError(
        {
          reason: 'NOT_AUTHENTICATED',
          message: `${address} refuses you: ${error.details}`,
          advice: 'Ask the people who run the proxy or firewall between you and the coordinator.',
          exit: EXIT.notAllowed,
        },
        error,
      );
    case STATUS.DEADLINE_EXCEEDED:
      return new CliError(
        {
          reason: 'DEADLINE',
          message: `No answer from ${address} within ${formatDuration(timeoutMs)}.`,
          advice:
            'Check the address, or wait longer with --timeout. A change that was asked for may still happen: look before you repeat it.',
          exit: EXIT.unavailable,
        },
        error,
      );
    case STATUS.UNAVAILABLE:
    case STATUS.CANCELLED:
      return new CliError(
        {
          reason: 'CONNECTION_LOST',
          message: `No coordinator answers at ${address}: ${error.details}`,
          advice: 'Start it, or name its address with --coordinator host:port or CONCORDAT_COORDINATOR.',
          exit: EXIT.unavailable,
        },
        error,
      );
    default:
      return known;
  }
}
