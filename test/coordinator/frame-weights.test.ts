// What a message is thought to weigh is no less than what it weighs: else a frame of many could break its stream.
import { describe, expect, it } from 'vitest';
import { TO_CLIENT, TO_PARTICIPANT } from '../../src/coordinator/edge/frame-weights.ts';
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import { messageType } from '../../src/wire/proto.ts';
import {
  BRANCHES_MAX,
  BRANCHES_PER_MESSAGE_MAX,
  COORDINATOR_MESSAGE_BYTES_MAX,
  FRAME_MESSAGES_MAX,
} from '../../src/xa/limits.ts';

const gtrid = 'abcdefghij.zzzzzzz.zzzzzzzzzz';
const resource = 'r'.repeat(30);
const bqual = `${resource}.9999`;
const text = '€'.repeat(1_000);
const reason = { code: 'BRANCH_VOTED_NO', message: text, sqlstate: 'XX000', errno: 2_147_483_647, retryable: true };
const branch = {
  ...{
    bqual,
    resource,
    state: 'BRANCH_STATE_COMMITTING' as const,
    instance: 'x'.repeat(64),
    evidence: { row: 'eaaaaaaaaaaa' },
  },
  ...{ attempts: 4_294_967_295, nextAttemptInMs: 4_294_967_295 },
};
const branches = Array.from({ length: BRANCHES_MAX }, () => branch);
const entry = {
  name: resource,
  engine: '€',
  address: 'ä'.repeat(300),
  instance: 'x'.repeat(64),
  engineIdentity: '€',
};
const keys = Array.from({ length: BRANCHES_PER_MESSAGE_MAX }, () => ({ gtrid, bqual }));

const toParticipant: Readonly<Record<string, CoordinatorMessage>> = {
  heartbeat: { heartbeat: {} },
  prepare: { prepare: { gtrid, bqual } },
  finish: { finish: { gtrid, bqual, verb: 'FINISH_VERB_COMMIT', evidence: { row: 'eaaaaaaaaaaa' } } },
  forget: { forget: { branches: keys } },
  probe: { probe: { id: 4_294_967_295, gtrid, bqual, evidence: { row: 'eaaaaaaaaaaa' } } },
  refused: { refused: { code: 9, reason: 'RESOURCE_IDENTITY', message: text } },
};

const toClient: Readonly<Record<string, ServerMessage>> = {
  enlist: { id: 1, enlist: { bqual, address: 'ä'.repeat(300), instance: 'x'.repeat(64), timeoutMs: 86_400_000 } },
  commit: { id: 1, commit: { gtrid, outcome: 'OUTCOME_COMMITTED', branches } },
  'commit with damage': { id: 1, commit: { gtrid, branches: branches.map((one) => ({ ...one, reason })) } },
  getTransaction: { id: 1, getTransaction: { transaction: { gtrid, branches, reason } } },
  error: {
    id: 1,
    error: { code: 10, reason: 'BRANCH_VOTED_NO', message: text, metadata: { gtrid, cause: 'BRANCH_UNKNOWN' } },
  },
  ended: { ended: { gtrid, outcome: 'OUTCOME_ROLLED_BACK', reason } },
  resources: { resources: { entries: Array.from({ length: 300 }, () => entry) } },
};

describe('a message', () => {
  const attach = messageType<{ messages: CoordinatorMessage[] }>('concordat.v1.AttachResponse');
  for (const [name, message] of Object.entries(toParticipant)) {
    it(`to a participant weighs no more than thought: ${name}`, () => {
      expect(attach.serialize({ messages: [message] }).length).toBeLessThanOrEqual(TO_PARTICIPANT.weigh(message));
    });
  }

  const session = messageType<{ messages: ServerMessage[] }>('concordat.v1.SessionResponse');
  for (const [name, message] of Object.entries(toClient)) {
    it(`to a client weighs no more than thought: ${name}`, () => {
      expect(session.serialize({ messages: [message] }).length).toBeLessThanOrEqual(TO_CLIENT.weigh(message));
    });
  }

  it('is light enough to go in frames of the full count where speed matters', () => {
    const light: CoordinatorMessage = {
      finish: { gtrid, bqual, verb: 'FINISH_VERB_COMMIT', evidence: { row: 'x7aaaaaaaaaa' } },
    };
    expect(TO_PARTICIPANT.weigh(light) * FRAME_MESSAGES_MAX).toBeLessThan(TO_PARTICIPANT.frameMax);
    const two = { commit: { gtrid, branches: [branch, branch] } };
    expect(TO_CLIENT.weigh(two) * FRAME_MESSAGES_MAX).toBeLessThan(TO_CLIENT.frameMax);
    expect(TO_CLIENT.frameMax).toBeLessThan(COORDINATOR_MESSAGE_BYTES_MAX);
  });
});
