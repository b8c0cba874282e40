// Lines to a coordinator in a process of its own, over gRPC, each on its own connection.
import { COORDINATOR_CHANNEL, channelCredentials } from '../../src/client/session/channel.ts';
import type { ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { ParticipantMessage } from '../../src/gen/concordat/v1/ParticipantMessage.ts';
import type { ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import { dialGrpc } from '../../src/participants/attach/grpc-dial.ts';
import { FrameWriter } from '../../src/wire/frames.ts';
import { wire } from '../../src/wire/proto.ts';
import type { Dial } from './line.ts';

/** @param onBroken told when the coordinator ends the stream; without a line there is nothing left to measure. */
export function wireClient(address: string, onBroken: (why: string) => void): Dial<ServerMessage, ClientMessage> {
  return (hear) => {
    const client = new wire.TransactionService(address, channelCredentials(), COORDINATOR_CHANNEL);
    const stream = client.session();
    let hungUp = false;
    const broken = (why: string): void => (hungUp ? undefined : onBroken(why));
    stream.on('data', ({ messages }: { readonly messages: readonly ServerMessage[] }) => messages.forEach(hear));
    stream.on('error', ({ message }) => broken(message));
    const out = new FrameWriter(
      stream,
      (messages: ClientMessage[]) => ({ messages }),
      () => broken('the coordinator does not read'),
    );
    return {
      say: (message) => out.send(message),
      hangUp: () => {
        hungUp = true;
        out.close();
        stream.cancel();
        client.close();
      },
    };
  };
}

/** @param onBroken as of `wireClient`. */
export function wireParticipant(
  address: string,
  onBroken: (why: string) => void,
): Dial<CoordinatorMessage, ParticipantMessage> {
  const dial = dialGrpc(address);
  return (hear) => {
    const link = dial({ onMessages: (messages) => messages.forEach(hear), onClosed: onBroken });
    return { say: (message) => link.send(message), hangUp: () => link.destroy() };
  };
}
