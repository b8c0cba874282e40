// The attach stream over gRPC: one connection for each attempt, messages of one turn in one frame.
import { credentials, type ServiceError } from '@grpc/grpc-js';
import type { AttachRequest } from '../../gen/concordat/v1/AttachRequest.ts';
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { ParticipantServiceClient } from '../../gen/concordat/v1/ParticipantService.ts';
import { FrameWriter } from '../../wire/frames.ts';
import { wire } from '../../wire/proto.ts';
import { COORDINATOR_MESSAGE_BYTES_MAX } from '../../xa/limits.ts';
import { KEEPALIVE_ANSWER_MS, KEEPALIVE_MS } from '../../xa/times.ts';
import type { AttachEvents, AttachLink, DialCoordinator } from './attach-link.ts';
import { reportBytes } from './report.ts';

const CHANNEL_OPTIONS = {
  // A new connection for each attempt: the runtime's backoff is the only one, and a stale address is never reused.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  // The coordinator is on our own network: a proxy of the environment is for the way out, and often refuses to lead back in.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.max_receive_message_length': 2 * COORDINATOR_MESSAGE_BYTES_MAX,
  // Below the heartbeats, which also notice a process that is stopped.
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_MS,
} as const;

/** Frames are cut well below what the coordinator takes; beyond the queue it reads no more and the stream is given up. */
const WEIGHTS = {
  weigh: reportBytes,
  frameMax: COORDINATOR_MESSAGE_BYTES_MAX / 2,
  queueMax: 64 * 1024 * 1024,
} as const;

/** `target` is `host:port`. Without TLS: for the loopback and private networks. */
export function dialGrpc(target: string): DialCoordinator {
  return (events) =>
    openAttachLink(new wire.ParticipantService(target, credentials.createInsecure(), CHANNEL_OPTIONS), events);
}

/** One attach stream over `client`, which it closes in the end. */
export function openAttachLink(
  client: Pick<ParticipantServiceClient, 'attach' | 'close'>,
  events: AttachEvents,
): AttachLink {
  const call = client.attach();
  const over = Promise.withResolvers<void>();
  let onClosed: AttachEvents['onClosed'] | undefined = events.onClosed;
  let open = true;
  const close = (why: string): void => {
    if (open) {
      open = false;
      writer.close();
      call.cancel();
      client.close();
      over.resolve();
      onClosed?.(why);
    }
  };
  const writer = new FrameWriter<ParticipantMessage, AttachRequest>(
    call,
    (messages) => ({ messages }),
    () => setImmediate(() => close('the coordinator does not read')),
    WEIGHTS,
  );
  call.on('data', (frame) => {
    if (open) {
      events.onMessages(frame.messages);
    }
  });
  // A cancelled call still emits an error, which without a listener would be thrown.
  call.on('error', (error: ServiceError) => close(error.details || error.message));
  call.on('end', () => close('the coordinator ended the stream'));
  return {
    send: (message) => writer.send(message),
    end: () => {
      onClosed = undefined;
      writer.flushNow();
      call.end();
      return over.promise;
    },
    destroy: () => {
      onClosed = undefined;
      close('given up');
    },
  };
}
