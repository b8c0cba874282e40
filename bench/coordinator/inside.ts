// Lines to a coordinator in this process, without gRPC.
import type { ClientSessions } from '../../src/coordinator/applications/client-session.ts';
import { type ParticipantParts, ParticipantSession } from '../../src/coordinator/participants/session.ts';
import type { ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { ParticipantMessage } from '../../src/gen/concordat/v1/ParticipantMessage.ts';
import type { ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import type { Dial } from './line.ts';
import { StandInStream } from './stand-in-stream.ts';

export function insideClient(sessions: ClientSessions): Dial<ServerMessage, ClientMessage> {
  return (hear) => {
    const stream = new StandInStream<ServerMessage, ClientMessage>(hear);
    sessions.serve(stream as unknown as Parameters<ClientSessions['serve']>[0]);
    return {
      say: (message) => stream.say({ body: bodyOf(message), ...message }),
      hangUp: () => stream.hangUp(),
    };
  };
}

export function insideParticipant(parts: ParticipantParts): Dial<CoordinatorMessage, ParticipantMessage> {
  return (hear) => {
    const stream = new StandInStream<CoordinatorMessage, ParticipantMessage>(hear);
    new ParticipantSession(stream as unknown as ConstructorParameters<typeof ParticipantSession>[0], parts);
    return stream;
  };
}

/** The name of the message's one body, which the wire would tell. */
function bodyOf(message: ClientMessage): NonNullable<ClientMessage['body']> {
  return Object.keys(message).find((key) => key !== 'id') as NonNullable<ClientMessage['body']>;
}
