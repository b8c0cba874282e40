// How the client's gRPC connections are set up: to the coordinator, and to each sidecar.
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { COORDINATOR_MESSAGE_BYTES_MAX, RESOURCE_MESSAGE_BYTES_MAX } from '../../xa/limits.ts';
import { KEEPALIVE_ANSWER_MS, KEEPALIVE_MS } from '../../xa/times.ts';

/** A frame carries several answers, each within its own limit; the peer is trusted, and a refused frame would end every branch on the stream. */
const RECEIVE_BYTES_MAX = 64 * 1024 * 1024;

function channelOptions(sendBytesMax: number): ChannelOptions {
  return {
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_MS,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
    // A stream is never replayed by the transport: what is said twice is decided here, with its request id.
    'grpc.enable_retries': 0,
    // Own connections: one client's back-off and streams are not another's.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.max_receive_message_length': RECEIVE_BYTES_MAX,
    'grpc.max_send_message_length': sendBytesMax,
  };
}

export const COORDINATOR_CHANNEL: ChannelOptions = channelOptions(COORDINATOR_MESSAGE_BYTES_MAX);
export const RESOURCE_CHANNEL: ChannelOptions = channelOptions(RESOURCE_MESSAGE_BYTES_MAX);

export function channelCredentials(): ChannelCredentials {
  return credentials.createInsecure();
}
