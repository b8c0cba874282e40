// PrepareBranch: the vote of a held branch, the same vote again, or what the engine lists of one that an earlier life prepared.

import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import { NO_EVIDENCE } from '../../xa/evidence.ts';
import type { Evidence, Reason, Vote } from '../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../xa/xid.ts';
import { voteMessage } from '../attach/attach-messages.ts';
import { reasonOf } from '../reasons.ts';
import type { ResourceManager } from '../resource-manager.ts';
import type { Branch } from './branch.ts';
import type { Branches } from './branches.ts';

export interface VoterOptions {
  readonly rm: ResourceManager;
  readonly branches: Branches;
  readonly report: (message: ParticipantMessage) => void;
}

const UNKNOWN: Reason = {
  code: 'BRANCH_UNKNOWN',
  message: 'the participant does not hold the branch, and its engine does not list it as prepared',
  retryable: true,
};

export class Voter {
  readonly #options: VoterOptions;
  /** The next listing, which has not begun: every branch asked for until then shares it. */
  #next: Promise<ReadonlyMap<string, Evidence>> | undefined;
  #current: Promise<unknown> = Promise.resolve();

  constructor(options: VoterOptions) {
    this.#options = options;
  }

  /** Reports the vote when it is there; a command repeated meanwhile is answered with it. */
  receive(xid: Xid): void {
    const { branches, report } = this.#options;
    const key = formatXid(xid);
    const branch = branches.get(key);
    switch (branch?.state.kind) {
      case 'active':
        void branches.prepare(branch);
        return;
      case 'preparing':
      case 'one-phase':
        return; // Its vote is on the way; a branch in its one phase has none any more.
      case 'prepared':
        report(voteMessage(xid, { kind: 'prepared', evidence: branch.state.evidence }));
        return;
      default: {
        const vote = this.#earlierVote(key);
        if (vote === undefined) {
          void this.#voteByEngine(xid, key);
        } else {
          report(voteMessage(xid, vote));
        }
      }
    }
  }

  /** The vote of a branch whose application says that it is done: asked for now, or as it was given. Never rejects. */
  async vote(branch: Branch): Promise<Vote> {
    switch (branch.state.kind) {
      case 'active':
        return await this.#options.branches.prepare(branch);
      case 'preparing':
        return await branch.state.vote;
      case 'prepared':
        return { kind: 'prepared', evidence: branch.state.evidence };
      default:
        return this.#earlierVote(branch.key) ?? rollback(UNKNOWN);
    }
  }

  #earlierVote(key: string): Vote | undefined {
    const ended = this.#options.branches.ended.get(key);
    switch (ended?.kind) {
      case 'voted':
        return ended.vote;
      case 'rolled-back':
        return { kind: 'rollback', reason: ended.reason };
      default:
        return undefined;
    }
  }

  async #voteByEngine(xid: Xid, key: string): Promise<void> {
    const { branches, report } = this.#options;
    if (branches.ended.get(key)?.kind === 'one-phase') {
      return; // It may be committed; a vote could only mislead.
    }
    // Whatever the list says, a first statement that comes after this question is too late.
    if (branches.ended.get(key) === undefined) {
      branches.told(key);
    }
    try {
      const evidence = (await this.#listed()).get(key);
      report(
        voteMessage(
          xid,
          evidence === undefined || evidence.kind === 'none' ? rollback(UNKNOWN) : { kind: 'prepared', evidence },
        ),
      );
    } catch (error) {
      report(voteMessage(xid, rollback(reasonOf(error))));
    }
  }

  /** A listing that begins after this call: one for all that ask before it does. */
  #listed(): Promise<ReadonlyMap<string, Evidence>> {
    this.#next ??= this.#current.then(async () => {
      this.#next = undefined;
      const listing = this.#options.rm.list();
      this.#current = listing.then(
        () => undefined,
        () => undefined,
      );
      const prepared = new Map<string, Evidence>();
      for (const { xid, evidence } of await listing) {
        if (xid !== undefined) {
          // Of two openings nobody can say which is the client's work: none gets a yes.
          prepared.set(formatXid(xid), prepared.has(formatXid(xid)) ? NO_EVIDENCE : evidence);
        }
      }
      return prepared;
    });
    return this.#next;
  }
}

function rollback(reason: Reason): Vote {
  return { kind: 'rollback', reason };
}
