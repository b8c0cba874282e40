// A service that works in global transactions: the product's own session and commit, over simulated streams.

import {
  HeuristicOutcomeError,
  OutcomeUnknownError,
  TransactionRolledBackError,
} from '../../src/client/public/errors.ts';
import type { CoordinatorLink } from '../../src/client/session/coordinator-link.ts';
import { CoordinatorSession } from '../../src/client/session/coordinator-session.ts';
import { RefusedError } from '../../src/client/session/failures.ts';
import { commitTransaction, rollbackTransaction } from '../../src/client/work/ending.ts';
import { askTransaction, toldOutcome } from '../../src/client/work/outcome.ts';
import { Work } from '../../src/client/work/work.ts';
import { OVERDUE_GRACE_MS } from '../../src/xa/times.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import type { Attempt, Attempts, Told } from './attempt.ts';
import { type ClientBranchParts, runBranches } from './client-branch.ts';
import type { CoordinatorNode } from './coordinator.ts';
import { Embedded } from './embedded.ts';
import { Host } from './host.ts';
import type { Network } from './network.ts';
import { sendOneShot } from './one-shot.ts';
import { drawPlan, type Plan } from './plan.ts';
import type { Site } from './site.ts';
import type { ShapeOptions } from './swarm.ts';
import { unaryTransaction } from './unary.ts';

export interface ClientParts {
  readonly name: string;
  readonly network: Network;
  readonly coordinator: CoordinatorNode;
  readonly sites: readonly Site[];
  readonly attempts: Attempts;
  readonly shape: ShapeOptions;
  /** Whether another transaction is wanted; counts it. */
  readonly wantsMore: () => boolean;
  /** Called with every answer, at the moment it is heard. */
  readonly onTold: (attempt: Attempt, told: Told, applied: boolean) => void;
}

export class Client {
  readonly host: Host;
  readonly #parts: ClientParts;
  readonly #session: CoordinatorSession;
  readonly #site: Pick<ClientBranchParts, 'host' | 'network'> & { readonly participants: Map<Site, Embedded> };
  #atWork = 0;

  constructor(parts: ClientParts, life: number) {
    this.#parts = parts;
    this.host = new Host(`${parts.name}/${life}`, parts.network.world);
    const client = {
      Session: () => parts.coordinator.open(this.host, 'session').near,
      close: () => undefined,
    } as unknown as NonNullable<CoordinatorSession['settings']['client']>;
    const participants = new Map<Site, Embedded>();
    this.#site = { host: this.host, network: parts.network, participants };
    for (const site of parts.sites.filter(() => this.host.chance.happens(parts.shape.embeddedShare))) {
      participants.set(site, new Embedded(this.host, site));
    }
    this.#session = new CoordinatorSession({
      ...{ address: 'simulated', application: 'simulated', connectTimeoutMs: 5_000, logger: undefined },
      ...{ onAddresses: () => undefined, clock: this.host.clock, random: this.host.chance, client },
    });
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#atWork === 0;
  }

  /** Works until no more is wanted, on so many transactions at once. */
  work(concurrency: number): void {
    for (let n = 0; n < concurrency; n += 1) {
      this.#atWork += 1;
      void this.#loop().then(() => {
        this.#atWork -= 1;
      });
    }
  }

  /** Asks how a transaction ended. Undefined: nobody answered. */
  async ask(attempt: Attempt): Promise<Told | undefined> {
    const { chance } = this.host;
    const branches = attempt.branches.map(({ bqual, instance }) => ({ bqual, instance }));
    try {
      const { link } = await this.#session.until(() => this.#session.connection, { timeoutMs: 5_000 });
      const info = await askTransaction(link, { gtrid: attempt.gtrid, branches: chance.happens(0.1) ? [] : branches });
      const told = toldOutcome(info);
      this.#tell(attempt, told, false);
      return told;
    } catch {
      return undefined; // Not found, or not to be reached: neither says anything of its end.
    }
  }

  /** Asks for the commit once more, or for a rollback, over whatever session there is now: it is too late to change anything. */
  async #askAgain(attempt: Attempt): Promise<void> {
    const { chance } = this.host;
    const { gtrid } = attempt;
    const branches = attempt.branches.map(({ bqual, instance }) => ({ bqual, instance }));
    try {
      const { link } = await this.#session.until(() => this.#session.connection, { timeoutMs: 5_000 });
      if (chance.happens(0.3)) {
        const { rollback } = await link.request({ rollback: { gtrid, branches, reason: 'too late' } });
        this.#tell(attempt, toldOutcome({ outcome: rollback?.outcome ?? 'OUTCOME_UNKNOWN' }), false);
      } else {
        const requestId = chance.happens(0.8) ? `${gtrid}/commit` : '';
        const { commit } = await link.request({ commit: { requestId, gtrid, branches } });
        this.#tell(attempt, toldOutcome({ outcome: commit?.outcome ?? 'OUTCOME_UNKNOWN' }), false);
      }
    } catch (error) {
      const told = error instanceof RefusedError ? error.metadata['outcome'] : undefined;
      if (told === 'committed' || told === 'rolled-back' || told === 'mixed' || told === 'hazard') {
        this.#tell(attempt, told, false);
      }
    }
  }

  async #loop(): Promise<void> {
    const { shape, wantsMore } = this.#parts;
    const { clock, chance } = this.host;
    while (wantsMore()) {
      await new Promise<void>((resolve) => clock.after(chance.gap(shape.thinkMs), resolve));
      const attempt = await (chance.happens(shape.unaryShare) ? this.#unary() : this.#transaction()).catch(
        () => undefined,
      );
      if (attempt?.told.includes('committed') !== true) {
        // What failed once is likely to fail again at once.
        await new Promise<void>((resolve) => clock.after(chance.gap(shape.backoffMs), resolve));
      }
      if (attempt !== undefined && chance.happens(shape.askShare)) {
        await this.ask(attempt);
      }
      if (attempt?.askedToCommit === true && chance.happens(shape.repeatShare)) {
        await this.#askAgain(attempt);
      }
    }
  }

  /** Without a session: each word is a call of its own, and is repeated until it is answered. */
  async #unary(): Promise<Attempt | undefined> {
    const { shape, sites, attempts, coordinator } = this.#parts;
    const plan = drawPlan(this.host.chance, shape, sites);
    return await unaryTransaction(plan, {
      ...{ ...this.#site, coordinator, attempts },
      tell: (attempt, told, applied) => this.#tell(attempt, told, applied),
    });
  }

  /** @returns undefined when nothing was begun. */
  async #transaction(): Promise<Attempt | undefined> {
    const { shape, sites, attempts } = this.#parts;
    const { clock, chance } = this.host;
    const plan = drawPlan(chance, shape, sites);
    const found = await this.#session.until(
      () => {
        const link = this.#session.connection?.link;
        const gtrid = link?.number();
        return link === undefined || gtrid === undefined ? undefined : { link, gtrid };
      },
      { timeoutMs: 10_000 },
    );
    const { link, gtrid } = found;
    const attempt = attempts.add(gtrid);
    const work = new Work(gtrid, clock, {});
    const late = (): Error => new Error('the transaction is overdue');
    work.limit(plan.timeoutMs, OVERDUE_GRACE_MS, late);
    const beginId = link.begin(gtrid, plan.timeoutMs, {
      onRefused: (refusal) => {
        attempt.refusedBegin = refusal;
        work.fail(refusal);
      },
      onEnded: () => {
        this.#tell(attempt, 'rolled-back', false);
        work.fail(new Error('the coordinator rolled it back'));
      },
      onLost: (error) => work.fail(error),
    });
    try {
      if (plan.isOneShot) {
        sendOneShot(plan, { ...this.#site, attempt, work, onRefused: () => this.#rollBack(work, link) });
      } else {
        await runBranches(plan, { ...this.#site, attempt, work });
      }
      attempt.branches = work.identities();
      await this.#end({ ...plan, gtrid }, attempt, work, link);
    } finally {
      attempt.branches = work.identities();
      link.release(gtrid, beginId);
    }
    return attempt;
  }

  /** A statement was refused after the commit had been asked for: said or not, it must end the same. */
  #rollBack(work: Work, link: CoordinatorLink): void {
    if (this.host.chance.happens(0.7)) {
      void rollbackTransaction(this.#session, link, work, 'a statement failed');
    }
  }

  async #end(
    plan: Plan & { readonly gtrid: Gtrid },
    attempt: Attempt,
    work: Work,
    link: CoordinatorLink,
  ): Promise<void> {
    const { clock } = this.host;
    if (plan.end === 'abandon') {
      return;
    }
    if (plan.end === 'rollback' || work.failure !== undefined) {
      await rollbackTransaction(this.#session, link, work, 'as planned');
      return;
    }
    attempt.askedToCommit = true;
    attempt.isOnePhase = attempt.branches.length === 1;
    attempt.askedAt = clock.now();
    if (plan.isRaced) {
      const { gtrid } = attempt;
      const race = (): void => void link.request({ rollback: { gtrid, reason: 'raced' } }).catch(() => undefined);
      clock.after(this.host.chance.between(0, 20), race);
    }
    try {
      const { applied } = await commitTransaction({
        ...{ session: this.#session, link, gtrid: plan.gtrid, work, signal: undefined },
        acknowledgement: plan.acknowledgement,
        outcomeTimeoutMs: plan.outcomeTimeoutMs,
        refusedBegin: () => attempt.refusedBegin,
      });
      this.#tell(attempt, 'committed', applied);
    } catch (error) {
      this.#tell(attempt, toldBy(error), false);
    }
  }

  #tell(attempt: Attempt, told: Told, applied: boolean): void {
    attempt.told.push(told);
    this.#parts.network.world.trace.say(this.host.name, 'told', { txn: attempt.gtrid, told, applied });
    this.#parts.onTold(attempt, told, applied);
  }
}

function toldBy(error: unknown): Told {
  if (error instanceof TransactionRolledBackError) {
    return 'rolled-back';
  }
  if (error instanceof HeuristicOutcomeError) {
    return error.outcome;
  }
  if (error instanceof OutcomeUnknownError) {
    return 'unknown';
  }
  throw error;
}
