// About how many bytes messages take on the wire: a frame of many large ones would break its stream, so it is cut before that.
import type { BranchInfo } from '../../gen/concordat/v1/BranchInfo.ts';
import type { CoordinatorMessage } from '../../gen/concordat/v1/CoordinatorMessage.ts';
import type { ServerMessage } from '../../gen/concordat/v1/ServerMessage.ts';
import type { FrameWeights } from '../../wire/frames.ts';
import { QueueBudget } from '../../wire/queue-budget.ts';
import { COORDINATOR_MESSAGE_BYTES_MAX, UNREAD_BYTES_MAX } from '../../xa/limits.ts';

const FRAME_MAX = COORDINATOR_MESSAGE_BYTES_MAX / 2;
/** A participant is sent what a hundred thousand recovered decisions ask for at once; a client has asked for what it is sent. */
const PARTICIPANT_QUEUE_MAX = 256 * 1024 * 1024;
const CLIENT_QUEUE_MAX = 64 * 1024 * 1024;

/** Of clients and participants together. */
const budget = new QueueBudget(UNREAD_BYTES_MAX);

/** A message without lists: ids, evidence; to a client an address, which is text of people. */
const COMMAND_BYTES = 400;
const ANSWER_BYTES = 1_100;
/** A gtrid, a bqual and evidence of a row. */
const KEY_BYTES = 115;
/** A branch with its evidence and instance; a reason is text of people, up to three bytes a character. */
const BRANCH_BYTES = 420;
const REASON_BYTES = 3_200;
const RESOURCE_BYTES = 2_600;

export const TO_PARTICIPANT: FrameWeights<CoordinatorMessage> = {
  frameMax: FRAME_MAX,
  queueMax: PARTICIPANT_QUEUE_MAX,
  budget,
  weigh: (message) =>
    COMMAND_BYTES + (message.forget?.branches?.length ?? 0) * KEY_BYTES + (message.refused ? REASON_BYTES : 0),
};

export const TO_CLIENT: FrameWeights<ServerMessage> = {
  frameMax: FRAME_MAX,
  queueMax: CLIENT_QUEUE_MAX,
  budget,
  weigh: (message) =>
    ANSWER_BYTES +
    branchBytes(message.commit?.branches) +
    branchBytes(message.getTransaction?.transaction?.branches) +
    (message.error || message.ended || message.getTransaction?.transaction?.reason ? REASON_BYTES : 0) +
    (message.resources?.entries?.length ?? message.welcome?.resources?.entries?.length ?? 0) * RESOURCE_BYTES,
};

function branchBytes(branches: readonly BranchInfo[] | undefined): number {
  let bytes = 0;
  for (const { reason } of branches ?? []) {
    bytes += BRANCH_BYTES + (reason ? REASON_BYTES : 0);
  }
  return bytes;
}
