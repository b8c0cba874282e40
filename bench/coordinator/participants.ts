// Participants that hold nothing and promise everything: at once, or as late as a database would.
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { FinishVerb } from '../../src/gen/concordat/v1/FinishVerb.ts';
import type { ParticipantMessage } from '../../src/gen/concordat/v1/ParticipantMessage.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import type { Dial } from './line.ts';

export interface ParticipantOptions {
  readonly resource: string;
  /** How long a vote and a commit take; 0 if not given. */
  readonly answerMs?: number;
  /** Hears of every branch that it is told to finish. */
  readonly onFinish?: (gtrid: string, verb: keyof typeof FinishVerb) => void;
}

export interface Participant {
  readonly resource: string;
  /** Branches that it was told to commit, and to roll back. */
  readonly told: { committed: number; rolledBack: number };
  /** As the first statement of a branch would have it. */
  opened(gtrid: string): void;
  hangUp(): void;
}

/** Every transaction is another name, so that one mark does for all. */
const OPENING = 'benchbenchbe';
const TOKEN = 'bench';

/** Resolves when it takes part. Its instance is called like its resource, and so is its branch of every transaction. */
export function attachParticipant(
  dial: Dial<CoordinatorMessage, ParticipantMessage>,
  { resource, answerMs = 0, onFinish }: ParticipantOptions,
): Promise<Participant> {
  const { promise: attached, resolve, reject } = Promise.withResolvers<Participant>();
  const told = { committed: 0, rolledBack: 0 };
  const answer = (message: ParticipantMessage): void => {
    if (answerMs === 0) {
      line.say(message);
    } else {
      setTimeout(() => line.say(message), answerMs);
    }
  };
  const line = dial((message) => {
    if (message.welcome) {
      const { epoch = 0, lifeToken = '' } = message.welcome;
      line.say({ ready: { epoch, lifeToken, shownToken: TOKEN } });
    } else if (message.admitted) {
      resolve(participant);
    } else if (message.showToken) {
      const { id = 0, token = '' } = message.showToken;
      line.say({ tokenResult: { id, token, error: null } });
    } else if (message.prepare) {
      answer({ vote: { ...message.prepare, vote: 'VOTE_PREPARED', evidence: { row: OPENING }, reason: null } });
    } else if (message.finish) {
      const { gtrid, bqual, verb, evidence } = message.finish;
      told[verb === 'FINISH_VERB_ROLLBACK' ? 'rolledBack' : 'committed'] += 1;
      onFinish?.(gtrid ?? '', verb as keyof typeof FinishVerb);
      answer({
        result: {
          ...{ gtrid, bqual, verb, result: 'FINISH_RESULT_DONE', evidence, reason: null },
        } as NonNullable<ParticipantMessage['result']>,
      });
    } else if (message.heartbeat) {
      line.say({ heartbeat: {} });
    } else if (message.refused) {
      reject(new Error(`the coordinator refused the participant: ${message.refused.message}`));
    }
  });
  const participant: Participant = {
    resource,
    told,
    opened: (gtrid) => line.say({ opened: { gtrid, bqual: resource, evidence: { opening: OPENING } } }),
    hangUp: () => line.hangUp(),
  };
  line.say({
    hello: {
      ...{ ...PROTOCOL, resource, instance: resource, kind: 'PARTICIPANT_KIND_SIDECAR' },
      ...{ engine: 'memory', engineVersion: '1', engineIdentity: resource, address: '127.0.0.1:1' },
      ...{ warnings: [], held: [], logs: [] },
    } as NonNullable<ParticipantMessage['hello']>,
  });
  return attached;
}
