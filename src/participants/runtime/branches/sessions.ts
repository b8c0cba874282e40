// What branches ask of their sessions, one call at a time in the turn of the branch, and how many sessions are at work at once.
import { assert } from '../../../lib/assert.ts';
import type { Clock } from '../../../lib/clock.ts';
import { failpoint } from '../../../lib/failpoint.ts';
import type { EventLogger } from '../../../lib/logger.ts';
import type { Vote } from '../../../xa/vocabulary.ts';
import type { VoteTaking } from '../../engine/effect.ts';
import type { BranchEvent } from '../../engine/event.ts';
import { reasonOf } from '../../reasons.ts';
import { type BranchSession, EngineError, type OnePhaseResult } from '../../resource-manager.ts';
import type { HeldBranch } from './held-branch.ts';
import type { SerialQueues } from './serial-queues.ts';
import { type SessionSlot, SessionSlots } from './session-slots.ts';

interface BranchSessionsOptions {
  readonly clock: Clock;
  readonly logger: EventLogger;
  readonly queues: SerialQueues;
  readonly maxBranches: number;
  /** A session was opened for a branch, or could not be. */
  readonly onOpened: ((error: unknown) => void) | undefined;
  readonly happened: (branch: HeldBranch, event: BranchEvent) => void;
}

export class BranchSessions {
  readonly #options: BranchSessionsOptions;
  readonly #slots: SessionSlots;
  /** Of branches that use a session or wait for one. */
  readonly #slotOf = new Map<HeldBranch, SessionSlot>();

  constructor(options: BranchSessionsOptions) {
    this.#options = options;
    this.#slots = new SessionSlots(options.clock, options.maxBranches);
  }

  /** At work for branches that are not prepared, those that are being rolled back included. */
  get count(): number {
    return this.#slotOf.size;
  }

  /** As many wait as may. */
  get isFull(): boolean {
    return this.#slots.isFull;
  }

  /** It waits for a session behind the branches that came before it. */
  open(branch: HeldBranch): void {
    const { queues, happened, onOpened } = this.#options;
    const slot = this.#slots.take();
    this.#slotOf.set(branch, slot);
    branch.session = queues.run(branch.key, () => slot.turn?.then(branch.opener) ?? branch.opener());
    branch.session.then(
      (opened) => {
        opened.onLost((reason) => happened(branch, { kind: 'session-lost', reason }));
        onOpened?.(undefined);
      },
      (error: unknown) => {
        happened(branch, { kind: 'session-lost', reason: reasonOf(error) });
        onOpened?.(error);
      },
    );
  }

  takeVote(branch: HeldBranch, how: VoteTaking): void {
    const { queues, clock, happened } = this.#options;
    const voting = queues.run(branch.key, async () => {
      const { vote, damage } = await voteOf(branch, how);
      failpoint('after-prepare');
      happened(branch, { kind: 'vote-taken', vote, damage: damage ?? branch.damage, nowMs: clock.now() });
      return vote;
    });
    branch.voting = voting;
    void voting.then(() => undefined); // A broken invariant is nobody's to catch.
  }

  /** Asks the session for its one phase, or tells it to commit, in a turn of the branch. */
  async onePhase(branch: HeldBranch, word: (session: BranchSession) => Promise<OnePhaseResult>): Promise<void> {
    const answer = await answerTo(branch, word);
    this.#options.happened(branch, { kind: 'session-answered', answer });
  }

  /** Rolls back, overtaking what runs; the next turn of the branch comes when the session has obeyed. */
  end(branch: HeldBranch): void {
    const { queues, logger, happened } = this.#options;
    this.#slotOf.get(branch)?.giveUp();
    const ended = sessionOf(branch)
      .then((session) => session.rollback())
      .catch((error: unknown) => logger.debug({ evt: 'branch-not-opened', branch: branch.key, error }));
    branch.ending = queues.run(branch.key, () => ended);
    void ended.then(() => happened(branch, { kind: 'session-ended' }));
  }

  /** Its prepare hangs: whatever comes of it, its vote tells. */
  endPrepare(branch: HeldBranch): void {
    sessionOf(branch)
      .then((session) => session.rollback())
      .catch(() => undefined);
  }

  release(branch: HeldBranch): void {
    this.#slotOf.get(branch)?.end();
    this.#slotOf.delete(branch);
  }
}

export function sessionOf({ session }: HeldBranch): Promise<BranchSession> {
  assert(session !== undefined, 'a branch is opened before anything else is asked of its session');
  return session;
}

async function voteOf(
  branch: HeldBranch,
  how: VoteTaking,
): Promise<{ readonly vote: Vote; readonly damage: string | undefined }> {
  try {
    const session = await sessionOf(branch);
    failpoint('before-prepare');
    return { vote: await takeVote(branch, session, how), damage: undefined };
  } catch (error) {
    const damage = error instanceof EngineError ? error.damage : undefined;
    return { vote: { kind: 'rollback', reason: reasonOf(error) }, damage };
  }
}

async function takeVote({ last }: HeldBranch, session: BranchSession, how: VoteTaking): Promise<Vote> {
  switch (how.kind) {
    case 'prepare':
      return await session.prepare();
    case 'last-statement':
      assert(last !== undefined, 'the last statement is there before it is executed');
      return await last(session);
    case 'refuse':
      await session.rollback();
      return { kind: 'rollback', reason: how.reason };
  }
}

/** Of a session that may not have been opened: then nothing can have been committed, for certain. Never rejects. */
async function answerTo(
  branch: HeldBranch,
  word: (session: BranchSession) => Promise<OnePhaseResult>,
): Promise<OnePhaseResult> {
  let session: BranchSession;
  try {
    session = await sessionOf(branch);
  } catch (error) {
    return { kind: 'done-otherwise', proof: `the branch was never opened: ${reasonOf(error).message}` };
  }
  try {
    return await word(session);
  } catch (error) {
    return { kind: 'unknown', reason: reasonOf(error) };
  }
}
