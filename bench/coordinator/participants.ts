// Participants that hold nothing and promise everything at once.
import { type ParticipantParts, ParticipantSession } from '../../src/coordinator/participant-session.ts';
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { ParticipantMessage } from '../../src/gen/concordat/v1/ParticipantMessage.ts';
import { PROTOCOL_VERSION } from '../../src/wire/version.ts';
import { StandInStream } from './stand-in-stream.ts';

/** Resolves when it takes part. */
export function attachParticipant(resource: string, parts: ParticipantParts): Promise<void> {
  const { promise: attached, resolve, reject } = Promise.withResolvers<void>();
  const stream = new StandInStream<CoordinatorMessage, ParticipantMessage>((message) => {
    if (message.welcome) {
      stream.say({ ready: { epoch: message.welcome.epoch ?? 0 } });
      setImmediate(() => setImmediate(resolve));
    } else if (message.prepare) {
      stream.say({ vote: { ...message.prepare, vote: 'VOTE_PREPARED', evidence: 'xid8:1234567', reason: null } });
    } else if (message.finish) {
      const { gtrid, bqual, verb } = message.finish;
      stream.say({
        result: {
          ...{ gtrid, bqual, verb, result: 'FINISH_RESULT_DONE', evidence: '', reason: null },
        } as NonNullable<ParticipantMessage['result']>,
      });
    } else if (message.refused) {
      reject(new Error(`the coordinator refused the participant: ${message.refused.message}`));
    }
  });
  new ParticipantSession(stream as unknown as ConstructorParameters<typeof ParticipantSession>[0], parts);
  stream.say({
    hello: {
      ...{ protocolVersion: PROTOCOL_VERSION, resource, instance: resource, kind: 'PARTICIPANT_KIND_SIDECAR' },
      ...{ engine: 'memory', engineVersion: '1', engineIdentity: resource, address: '127.0.0.1:1' },
      ...{ warnings: [], held: [] },
    } as NonNullable<ParticipantMessage['hello']>,
  });
  return attached;
}
