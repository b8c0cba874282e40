// A branch that one of its own statements ended: what the coordinator and the log hear of it.
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { Logger } from '../../lib/logger.ts';
import { openingEvidence } from '../../xa/evidence.ts';
import { resultMessage } from '../attach/attach-messages.ts';
import type { Branch } from './branch.ts';

/** To be told right behind its no: then the transaction is rolling back, and this is the damage to it (D4). */
export function reportDamage(
  to: { readonly logger: Logger; readonly report: (message: ParticipantMessage) => void },
  branch: Branch,
  proof: string,
): void {
  to.logger.error({ evt: 'branch-committed-alone', branch: branch.key, message: proof });
  to.report(resultMessage(branch.xid, 'rollback', openingEvidence(branch.opening), { kind: 'done-otherwise', proof }));
}
