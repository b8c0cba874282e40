// CoordinatorError <-> gRPC status: one mapping, with google.rpc.Status details in the trailer.
import { Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import type { Error__Output as WireError } from '../gen/concordat/v1/Error.ts';
import type { EventLogger } from '../lib/logger.ts';
import { CoordinatorError, type ErrorCode, isErrorCode, STATUS } from '../xa/errors.ts';
import { messageType } from './proto.ts';

interface Any {
  readonly type_url: string;
  readonly value: Uint8Array;
}

/** Google's messages byte for byte, under names of our own: proto/concordat/v1/error_details.proto says why. */
const STATUS_TYPE = messageType<{ code: number; message: string; details: readonly Any[] }>('concordat.v1.ErrorStatus');
const INFO_TYPE = messageType<{ reason: string; domain: string; metadata: Readonly<Record<string, string>> }>(
  'concordat.v1.ErrorInfo',
);
const RETRY_TYPE = messageType<{ retryDelay: { seconds: number; nanos: number } }>('concordat.v1.RetryInfo');

const TRAILER = 'grpc-status-details-bin';
const TYPE_PREFIX = 'type.googleapis.com/';
const DOMAIN = 'concordat.dev';
/** Advice for a retry of the same call; the client adds its own jitter. */
const RETRY_DELAY_MS = 200;
/** The whole trailer stays below the 8 KiB that peers accept. */
const MESSAGE_CHARS_MAX = 1_000;

/** Every error that leaves a handler goes through here; what is not ours is a bug and says nothing of its inside. */
export function toCoordinatorError(error: unknown): CoordinatorError {
  if (error instanceof CoordinatorError) {
    return error;
  }
  return new CoordinatorError('INTERNAL', 'An internal error; see the coordinator log.', { cause: error });
}

/** A bug says nothing of its inside to the caller, and everything to the log. */
export function logged(logger: EventLogger, where: string, error: unknown): CoordinatorError {
  const known = toCoordinatorError(error);
  if (known.code === 'INTERNAL') {
    logger.error({ evt: 'handler-failed', where, err: error });
  }
  return known;
}

/** The status of a refused unary call. */
export function toStatus(failure: unknown): Partial<StatusObject> & { code: number; details: string } {
  const error = toCoordinatorError(failure);
  const code = STATUS[error.entry.status];
  const message = error.message.slice(0, MESSAGE_CHARS_MAX);
  const details: Any[] = [
    {
      type_url: `${TYPE_PREFIX}google.rpc.ErrorInfo`,
      value: INFO_TYPE.serialize({ reason: error.code, domain: DOMAIN, metadata: error.metadata }),
    },
  ];
  if (error.entry.retry === 'same-call') {
    const retryDelay = { seconds: 0, nanos: RETRY_DELAY_MS * 1_000_000 };
    details.push({ type_url: `${TYPE_PREFIX}google.rpc.RetryInfo`, value: RETRY_TYPE.serialize({ retryDelay }) });
  }
  const metadata = new Metadata();
  metadata.set(TRAILER, STATUS_TYPE.serialize({ code, message, details }));
  return { code, details: message, metadata };
}

/** The same error inside a stream. */
export function toWireError(failure: unknown): WireError {
  const error = toCoordinatorError(failure);
  return {
    code: STATUS[error.entry.status],
    reason: error.code,
    message: error.message.slice(0, MESSAGE_CHARS_MAX),
    metadata: { ...error.metadata },
    retryable: isRetryable(error),
    outcome: OUTCOMES[error.metadata['outcome'] ?? ''] ?? 'OUTCOME_UNSPECIFIED',
    branches: [],
  };
}

const OUTCOMES: Readonly<Record<string, WireError['outcome']>> = {
  committed: 'OUTCOME_COMMITTED',
  'rolled-back': 'OUTCOME_ROLLED_BACK',
  mixed: 'OUTCOME_MIXED',
  hazard: 'OUTCOME_HAZARD',
  unknown: 'OUTCOME_UNKNOWN',
};

/** The catalogue's advice is for the code as such; of this one case more may be known. */
export function isRetryable({ entry, metadata }: CoordinatorError): boolean {
  const known = metadata['retryable'];
  return known === undefined ? entry.retry === 'new-transaction' || entry.retry === 'same-call' : known === 'true';
}

/** A failed call, as its caller sees it: our own error again, or CONNECTION_LOST / DEADLINE for what the transport says. */
export function fromServiceError(error: ServiceError): CoordinatorError {
  const trailer = error.metadata?.get(TRAILER)[0];
  if (trailer instanceof Buffer) {
    const status = STATUS_TYPE.deserialize(trailer);
    const info = status.details.find((detail) => detail.type_url.endsWith('google.rpc.ErrorInfo'));
    if (info !== undefined) {
      const { reason, metadata } = INFO_TYPE.deserialize(Buffer.from(info.value));
      return fromReason(reason, status.message, metadata, error);
    }
  }
  return new CoordinatorError(codeOfTransport(error.code), error.details || error.message, { cause: error });
}

/** An error that came inside a stream. */
export function fromWireError(error: WireError): CoordinatorError {
  return fromReason(error.reason, error.message, error.metadata, undefined);
}

function fromReason(
  reason: string,
  message: string,
  metadata: Readonly<Record<string, string>>,
  cause: unknown,
): CoordinatorError {
  // A newer peer may know reasons that this one does not.
  const code: ErrorCode = isErrorCode(reason) ? reason : 'INTERNAL';
  return new CoordinatorError(code, message, { metadata, cause });
}

function codeOfTransport(code: number): ErrorCode {
  switch (code) {
    case STATUS.UNAVAILABLE:
    case STATUS.CANCELLED:
      return 'CONNECTION_LOST';
    case STATUS.DEADLINE_EXCEEDED:
      return 'DEADLINE';
    case STATUS.RESOURCE_EXHAUSTED:
      return 'LIMIT_FRAME';
    case STATUS.INVALID_ARGUMENT:
      return 'FIELD_INVALID';
    default:
      return 'INTERNAL';
  }
}
