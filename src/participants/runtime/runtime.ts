// The participant: speaks for one database to one coordinator. The same code in a sidecar, inside an application, in a simulation.

import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import { atMost } from '../../lib/wait.ts';
import { PROTOCOL } from '../../wire/protocol.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Opening } from '../../xa/evidence.ts';
import { SIDECAR_BRANCHES_MAX } from '../../xa/limits.ts';
import type { Reason, Vote } from '../../xa/vocabulary.ts';
import { formatXid, type Gtrid, gtridParts, resourceOf, type Xid } from '../../xa/xid.ts';
import { Attach } from '../attach/attach.ts';
import type { Welcome } from '../attach/command.ts';
import { EngineWatch } from '../attach/engine-watch.ts';
import { KnownLogs } from '../attach/known-logs.ts';
import { mayOpen } from '../engine/queries.ts';
import { branchUnknown } from '../reasons.ts';
import type { BranchSession } from '../resource-manager.ts';
import { abandonAll, heldBranches, supersedeOlder } from './branches/all-branches.ts';
import { Branches } from './branches/branches.ts';
import type { StatementAnswer, StatementCall } from './branches/statement-call.ts';
import { Commands } from './commands.ts';
import { Reconciler } from './reconciler.ts';
import type { RuntimeOptions, RuntimeStatus } from './runtime-options.ts';
import { Statements } from './statements.ts';
import { Tokens } from './tokens.ts';

/** A branch that the application itself opened and executes. */
export interface AdoptedBranch {
  /** Prepares now and tells the coordinator unasked: the application's statements are done. Never rejects. */
  prepare(): Promise<Vote>;
}

/** Starts to attach at once, and stays attached until it is disposed. */
export function openParticipantRuntime(options: RuntimeOptions): ParticipantRuntime {
  return new ParticipantRuntime(options);
}

export class ParticipantRuntime implements AsyncDisposable {
  /** Random, one for each life: a branch that an earlier life held is not this one's. */
  readonly instance: string;
  readonly #options: RuntimeOptions;
  readonly #branches: Branches;
  readonly #statements: Statements;
  readonly #commands: Commands;
  readonly #reconciler: Reconciler;
  readonly #attach: Attach;
  readonly #firstReady = Promise.withResolvers<void>();
  #wasReady = false;
  #status: RuntimeStatus = { ready: false, engineAnswers: false, draining: false };

  constructor(options: RuntimeOptions) {
    const { rm, clock, random, logger, resource } = options;
    this.#options = options;
    this.instance = random.base32(12);
    const report = this.#report;
    const logs = new KnownLogs(rm, clock);
    const engine = new EngineWatch({
      rm,
      logs,
      logger,
      onAnswers: (engineAnswers) => this.#setStatus({ engineAnswers }),
      onOtherEngine: (why) => this.#attach.restart(why),
      onLoginRefused: options.onLoginRefused,
    });
    const branches = new Branches({
      ...{ rm, clock, logger, report },
      maxBranches: options.maxBranches ?? SIDECAR_BRANCHES_MAX,
      onOpened: (error) => engine.opened(error),
    });
    this.#branches = branches;
    this.#statements = new Statements({ rm, branches, random, admit: this.#admit });
    const { instance } = this;
    const tokens = new Tokens({ rm, random, instance, engineAnswers: () => engine.answers, report });
    this.#commands = new Commands({ instance, resource, rm, clock, logger, branches, tokens, report });
    this.#reconciler = new Reconciler({
      ...{ rm, clock, branches, resource, report, engine, logs },
      reports: options.kind === 'sidecar',
      onRefused: (life, recorded) => {
        supersedeOlder(branches, life.identity, recorded.epoch);
        this.#attach.refuse(life, recorded);
      },
    });
    this.#attach = new Attach({
      ...{ dial: options.dial, clock, random, logger, engine },
      introduce: async () => ({ ...this.#introduction(), ...(await engine.introduce()) }),
      held: () => heldBranches(branches),
      raiseEpoch: async ({ identity, epoch, token }, previous) => {
        await engine.welcomed();
        return await rm.raiseEpoch(identity, epoch, token, previous);
      },
      showToken: () => tokens.fresh(),
      onLife: (identity, epoch) => supersedeOlder(branches, identity, epoch),
      onReady: this.#onReady,
      onDetached: this.#onDetached,
      onCommand: (command, welcome) => this.#commands.receive(command, welcome),
      onRefused: (error) => options.onRefused?.(error, { wasReady: this.#wasReady }),
    });
    this.#attach.start();
  }

  /** Resolves when the participant has taken part for the first time. */
  get firstReady(): Promise<void> {
    return this.#firstReady.promise;
  }

  get status(): RuntimeStatus {
    return this.#status;
  }

  /** Branches that this participant holds, prepared ones included. */
  get held(): number {
    return this.#branches.size;
  }

  /** See `Statements.execute`. @throws {CoordinatorError} also `NOT_OWNER`; always as a rejection. */
  async execute(call: StatementCall): Promise<StatementAnswer> {
    this.#refuseForeign(call.xid);
    return await this.#statements.execute(call);
  }

  /** Its client is about to ask for the commit: a branch that is held and active is prepared, and votes unasked. */
  prepare(xid: Xid): void {
    const branch = this.#branches.get(formatXid(xid));
    if (branch !== undefined) {
      this.#branches.happened(branch, { kind: 'vote-wanted', by: 'client' });
    }
  }

  /**
   * Enters a branch that the application has opened and executes itself, and whose client names it. From now on the session is the
   * participant's: it prepares, finishes and, at the deadline, rolls back, whatever the application still does with it.
   * @param options.opening the one that the session was made with, of `newOpening`.
   * @throws {CoordinatorError} the branch was not entered and the session stays the caller's.
   */
  adopt(
    xid: Xid,
    session: BranchSession,
    { opening, timeoutMs }: { readonly opening: Opening; readonly timeoutMs: number },
  ): AdoptedBranch {
    this.#refuseForeign(xid);
    const key = formatXid(xid);
    if (this.#branches.get(key) !== undefined) {
      throw new CoordinatorError('BRANCH_EXISTS', `branch ${key} is held already`);
    }
    if (!mayOpen(this.#branches.known(key))) {
      throw branchUnknown(xid, undefined);
    }
    this.#admit(xid.gtrid);
    const branch = this.#branches.open({ xid, opening, timeoutMs, named: true, oneShot: false }, async () => session);
    return { prepare: () => this.#branches.vote(branch) };
  }

  /** Takes no new branch, and resolves when the held ones have ended or `graceMs` have passed. */
  async drain(graceMs: number): Promise<void> {
    this.#setStatus({ draining: true });
    const idle = Promise.withResolvers<void>();
    const check = (): void => {
      if (this.#branches.isIdle) {
        idle.resolve();
      }
    };
    this.#branches.onIdle(check);
    check();
    await atMost(idle.promise, { clock: this.#options.clock, timeoutMs: graceMs });
  }

  /** Rolls back what is not prepared, says so, and leaves. Prepared branches stay with the engine, for the next life. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#setStatus({ draining: true });
    this.#reconciler.stop();
    this.#commands.forgetter.close();
    const reason: Reason = { code: 'BRANCH_UNKNOWN', message: 'the participant was stopped', retryable: true };
    await abandonAll(this.#branches, reason, this.#options.clock);
    await this.#attach.stop();
  }

  readonly #report = (message: ParticipantMessage): void => {
    this.#attach.report(message);
  };

  readonly #admit = (gtrid: Gtrid): void => {
    const serving = this.#attach.serving;
    if (this.#status.draining || serving === undefined) {
      const why = this.#status.draining ? 'is being stopped' : 'is not attached to its coordinator';
      throw new CoordinatorError('RESOURCE_UNAVAILABLE', `the participant of ${this.#options.resource} ${why}`);
    }
    const { identity, epoch } = gtridParts(gtrid);
    if (identity !== serving.identity || epoch !== serving.epoch) {
      throw new CoordinatorError('BRANCH_UNKNOWN', `${gtrid} is of another life of the coordinator`);
    }
  };

  #refuseForeign(xid: Xid): void {
    const { resource } = this.#options;
    if (resourceOf(xid.bqual) !== resource) {
      throw new CoordinatorError('NOT_OWNER', `branch ${xid.bqual} does not belong to ${resource}`);
    }
  }

  #introduction() {
    const { resource, kind, address } = this.#options;
    const wireKind = kind === 'sidecar' ? 'PARTICIPANT_KIND_SIDECAR' : 'PARTICIPANT_KIND_EMBEDDED';
    return { ...PROTOCOL, resource, instance: this.instance, kind: wireKind, address } as const;
  }

  readonly #onReady = (welcome: Welcome): void => {
    this.#wasReady = true;
    this.#reconciler.start(welcome);
    this.#setStatus({ ready: true });
    this.#firstReady.resolve();
  };

  readonly #onDetached = (): void => {
    this.#reconciler.stop();
    this.#setStatus({ ready: false });
  };

  #setStatus(change: Partial<RuntimeStatus>): void {
    const next = { ...this.#status, ...change };
    const { ready, engineAnswers, draining } = this.#status;
    this.#status = next;
    if (next.ready !== ready || next.engineAnswers !== engineAnswers || next.draining !== draining) {
      this.#options.onStatus?.(next);
    }
  }
}
