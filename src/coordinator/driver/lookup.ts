// Transactions that are not held in memory any more: whoever asks how one ended is answered from the log, the outcomes and the engines (D5).
import type { Log } from '../../log/log.ts';
import { NO_EVIDENCE } from '../../xa/evidence.ts';
import { type Bqual, type Gtrid, resourceOf } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import type { ClaimedBranch } from '../engine/event.ts';
import { type Found, judgeProofs, judgeQuestion, type Proof } from '../engine/question.ts';
import type { Leases } from './leases.ts';
import type { Registry } from './registry.ts';
import { TracesOf } from './traces.ts';

interface LookupParts {
  readonly log: Log;
  readonly transactions: Registry;
  readonly directory: Directory;
  readonly leases: Leases;
}

/** @param claimed what the asker knows of its branches; whether the commit is of those is for the caller to compare. */
export async function lookUp(parts: LookupParts, gtrid: Gtrid, claimed: readonly ClaimedBranch[]): Promise<Found> {
  const { log, transactions, directory, leases } = parts;
  const facts = Object.assign(new TracesOf(gtrid, log, transactions), {
    mayHaveBegun: leases.mayHaveBegun(gtrid),
    hasMet: directory.hasMet,
    hasResources: log.recovered.resources.length > 0,
  });
  const bquals = claimed.map(({ bqual }) => bqual);
  const answer = judgeQuestion(gtrid, bquals, facts);
  if (answer.kind !== 'ask') {
    return answer;
  }
  const isOnly = answer.bquals.length === 1;
  const { found, noted } = judgeProofs(
    await Promise.all(answer.bquals.map((bqual) => ask(directory, gtrid, bqual, isOnly))),
  );
  if (noted !== undefined) {
    transactions.noteProof(gtrid, noted.bqual, noted.outcome);
  }
  return found;
}

/** One of several that cannot be asked now is as good as away; the only one has to be heard, or the asker hears why not. */
async function ask(directory: Directory, gtrid: Gtrid, bqual: Bqual, isOnly: boolean): Promise<Proof> {
  const sidecar = directory.sidecarOf(resourceOf(bqual));
  if (sidecar === undefined) {
    return { bqual, proof: 'away' };
  }
  try {
    return { bqual, proof: (await sidecar.probe(gtrid, bqual, NO_EVIDENCE)).proof };
  } catch (error) {
    if (isOnly) {
      throw error;
    }
    return { bqual, proof: 'away' };
  }
}
