// A branch in the application's PostgreSQL client: the branch of the adapter, and what a loan has beside it.

import { type EvidenceRow, formatEvidence, rowEvidence } from '../../../xa/evidence.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import type { FinishResult, Reason, Vote } from '../../../xa/vocabulary.ts';
import {
  type ApplicationBranch,
  BRANCH_ROLLED_BACK,
  ENDED_BY_APPLICATION,
  type EndedOutside,
  type LentSessionParts,
  notHere,
  rolledBackWhy,
} from '../../lent/application-branch.ts';
import { EngineError, type OnePhaseResult } from '../../resource-manager.ts';
import { PgBranch } from '../branch/branch.ts';
import type { BranchHost } from '../branch/branch-wire.ts';
import { failureOf } from '../branch/judge.ts';
import { Footprint } from '../branch/reader.ts';
import type { PgClient } from '../protocol/driver-insides.ts';
import { isPgError, statementReason } from '../protocol/errors.ts';
import { gidLiteral } from '../sql/gid.ts';
import { LentPgSession } from './session.ts';

export class LentPgBranch implements ApplicationBranch {
  readonly #session: LentPgSession;
  readonly #branch: PgBranch;
  readonly #row: EvidenceRow;
  /** Nothing that could prepare or commit it was asked for. */
  #isActive = true;
  /** Prepared, and its client is kept for the decision. */
  #isPrepared = false;
  #beginning: Promise<void> | undefined;

  /** @throws {TypeError} the client is lent already. */
  constructor(parts: LentSessionParts<PgClient>) {
    const { xid, options } = parts;
    this.#row = { ...xid, opening: options.opening };
    const footprint = new Footprint(false);
    this.#session = new LentPgSession(parts, footprint);
    this.#branch = new PgBranch(this.#hostOf(parts), this.#session, xid, options, footprint);
  }

  get released(): Promise<void> {
    return this.#session.released;
  }

  /** No lock tells whose branch it is here. */
  get unlocked(): Promise<void> {
    return this.released;
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  get failure(): Reason | undefined {
    const { status, application } = this.#session;
    return status === 'E' ? (application.firstError ?? ENDED_BY_APPLICATION) : undefined;
  }

  get ownDepth(): number {
    return this.#session.application.depth;
  }

  async savepoint(texts: readonly string[]): Promise<void> {
    const session = this.#session;
    const steps = texts.map((text) => ({ text }));
    const reason = failureOf(await session.run({ kind: 'steps', steps }));
    if (reason !== undefined) {
      throw new EngineError(reason, { sessionLost: !session.usable });
    }
    session.application.recovered();
  }

  reasonOf(error: object): Reason | undefined {
    return isPgError(error) ? statementReason(error) : undefined;
  }

  async endedOutside(): Promise<EndedOutside | undefined> {
    const proof = this.#session.committedOutside;
    return proof === undefined ? undefined : { kind: 'committed', proof };
  }

  begin(): Promise<void> {
    this.#beginning ??= this.#begin();
    return this.#beginning;
  }

  async #begin(): Promise<void> {
    try {
      this.#session.opened(await this.#branch.begin(this.#session.openingSteps()));
    } catch (error) {
      this.#session.isAtWork = false; // The application has not begun: a rollback gives the client back at once.
      throw error;
    }
  }

  execute = notHere;
  executeAndPrepare = notHere;

  prepare(): Promise<Vote> {
    this.#isActive = false;
    return this.#branch.prepare();
  }

  askOnePhase(): Promise<OnePhaseResult> {
    return this.#branch.askOnePhase();
  }

  commitOnePhase(): Promise<FinishResult> {
    this.#isActive = false;
    return this.#branch.commitOnePhase();
  }

  async rollback(): Promise<void> {
    this.#isActive = false;
    await this.#beginning?.catch(() => undefined);
    this.#session.refuse(rolledBackWhy(this.#branch.doom ?? BRANCH_ROLLED_BACK));
    await this.#branch.rollback();
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#branch.onLost(listener);
  }

  endWork(): void {
    this.#session.isAtWork = false;
    if (this.#session.isParked) {
      void this.#session.giveBack();
    }
  }

  /** Any session of the role may finish a prepared branch: only for as long as the application waits anyway, this one does. */
  letGo(): void {
    if (this.#isPrepared) {
      this.#isPrepared = false;
      void this.#session.giveBack();
    }
  }

  async finish(verb: 'commit' | 'rollback'): Promise<FinishResult | undefined> {
    if (!this.#isPrepared) {
      return undefined;
    }
    this.#isPrepared = false;
    const text = `${verb} prepared ${gidLiteral(this.#row)}`;
    // Within a transaction that the application has begun meanwhile the text would be refused, and that transaction spoilt.
    const outcome = this.#session.canFinish ? await this.#session.run({ kind: 'simple', text }) : undefined;
    await this.#session.giveBack();
    const isDone =
      outcome?.kind === 'answered' &&
      outcome.error === undefined &&
      !outcome.isUnreplicated &&
      outcome.results[0]?.tag === `${verb.toUpperCase()} PREPARED`;
    // Whatever else is answered, the participant asks again in a session of its own, and finds out there what it means.
    return isDone ? { kind: 'done' } : undefined;
  }

  #hostOf({ tools, options }: LentSessionParts<PgClient>): BranchHost {
    const evidence = rowEvidence(options.opening);
    const fence = (): Promise<void> => tools.fence().catch(() => this.#session.destroy());
    return {
      callTimeoutMs: ENGINE_CALL_MS,
      release: async ({ isClean, isPrepared }) => {
        const session = this.#session;
        this.#isPrepared = isPrepared && session.usable;
        if (this.#isPrepared) {
          session.setUser(() => this.letGo());
          return;
        }
        if (!isClean && session.usable && session.hasBegun) {
          await fence(); // It does not obey.
        }
        if (!session.isParked || !session.isAtWork) {
          await session.giveBack();
        }
      },
      abandon: fence,
      rollbackPrepared: async () => void (await tools.rollbackPrepared()),
      proveOnePhase: async () => {
        const proof = await tools.probe(evidence).catch(() => 'unproven' as const);
        switch (proof) {
          case 'committed':
            return { kind: 'done' };
          case 'rolled-back':
            return {
              kind: 'done-otherwise',
              proof: `its evidence row is not in the database (${formatEvidence(evidence)})`,
            };
          default: {
            const message = 'the answer to COMMIT was lost, and how it ended cannot be told now';
            return { kind: 'unknown', reason: { code: 'OUTCOME_UNKNOWN', message, retryable: true } };
          }
        }
      },
      // The end that its own statement made is told by `endedOutside`.
      keepDamage: async () => undefined,
    };
  }
}
