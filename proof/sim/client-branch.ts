// One branch of a client's transaction: statements that go to its site one after the other, and may be lost or repeated on the way.
import type { BranchIdentity } from '../../src/client/public/errors.ts';
import type { Work, WorkBranch, WorkFailure } from '../../src/client/work/work.ts';
import { parseBqual, parseGtrid, type Xid } from '../../src/xa/xid.ts';
import type { Attempt } from './attempt.ts';
import type { Embedded } from './embedded.ts';
import type { Host } from './host.ts';
import type { Network } from './network.ts';
import type { Plan, PlannedBranch, PlannedStatement } from './plan.ts';
import type { Executed, Site } from './site.ts';

export interface ClientBranchParts extends PlannedBranch {
  readonly host: Host;
  readonly network: Network;
  readonly attempt: Attempt;
  readonly work: Work;
  /** The client's own participant, if the branch is to live in it. */
  readonly embedded: Embedded | undefined;
}

/** A statement without an answer is sent again after so long, under its number. */
const REPEAT_MS = 2_000;

export class ClientBranch implements WorkBranch {
  readonly resource: string;
  readonly #parts: ClientBranchParts;
  #identity: BranchIdentity | undefined;
  #stop: ((error: unknown) => void) | undefined;
  #failure: WorkFailure | undefined;

  constructor(parts: ClientBranchParts) {
    this.#parts = parts;
    this.resource = parts.site.parts.name;
  }

  get identity(): BranchIdentity | undefined {
    return this.#identity;
  }

  /** True, whether the word arrives or not. */
  askForVote(): boolean {
    const { site, host, network, bqual, work, embedded, isLast } = this.#parts;
    const xid = xidOf(work.gtrid, bqual);
    if (embedded !== undefined) {
      embedded.prepare(xid);
    } else if (!isLast) {
      network.world.after(network.latency(), () => {
        const there = site.host;
        if (there !== undefined && !network.isCut(host, there) && !network.chance.happens(network.rates.broken)) {
          site.prepare(xid);
        }
      });
    }
    return true;
  }

  stop(failure: WorkFailure): void {
    this.#failure ??= failure;
    this.#stop?.(failure.error);
  }

  async run(): Promise<void> {
    const { statements, bqual, attempt, site, isLast, embedded } = this.#parts;
    for (const [index, statement] of statements.entries()) {
      if (this.#failure !== undefined) {
        throw this.#failure.error;
      }
      const sql = textOf(statement, { attempt, site, bqual, number: index + 1 });
      this.#identity ??= { bqual, instance: embedded?.instance ?? '' };
      await this.#execute(index + 1, sql, isLast && index === statements.length - 1);
    }
  }

  async #execute(number: number, sql: string, last: boolean): Promise<void> {
    const { work, host, bqual } = this.#parts;
    work.asked();
    try {
      const executed = await new Promise<Executed>((resolve, reject) => {
        this.#stop = reject;
        const ask = (): void => {
          if (this.#stop === reject) {
            this.#send(number, sql, last, resolve);
            host.clock.after(REPEAT_MS, ask);
          }
        };
        ask();
      });
      if (executed.kind === 'refused') {
        throw new Error(executed.error.message);
      }
      this.#identity = { bqual, instance: executed.instance };
      if (executed.answer.vote?.kind === 'rollback') {
        throw new Error(executed.answer.vote.reason.message);
      }
    } finally {
      this.#stop = undefined;
      work.answered();
    }
  }

  #send(number: number, sql: string, last: boolean, answered: (executed: Executed) => void): void {
    const { site, host, network, bqual, work, isolation, isNamed, embedded } = this.#parts;
    const { world } = network;
    const call = {
      ...{ xid: xidOf(work.gtrid, bqual), statement: { sql, parameters: [] }, number, last },
      ...{ isolation, readOnly: false, timeoutMs: work.remainingMs, named: isNamed, oneShot: false },
    };
    if (embedded !== undefined) {
      embedded.execute(call, answered);
      return;
    }
    world.after(network.latency(), () => {
      const there = site.host;
      if (there === undefined || network.isCut(host, there) || network.chance.happens(network.rates.broken)) {
        return;
      }
      site.execute(call, (executed) => {
        world.after(network.latency(), () => {
          if (!network.isCut(host, there) && !network.chance.happens(network.rates.broken)) {
            host.enter(() => answered(executed));
          }
        });
      });
    });
  }
}

/** In the memory engine's language; a write is noted for the judges. */
export function textOf(
  statement: PlannedStatement,
  { attempt, site, bqual, number }: Pick<ClientBranchParts, 'attempt' | 'site' | 'bqual'> & { readonly number: number },
): string {
  const key = `t${attempt.number}.${bqual}.${number}`;
  switch (statement) {
    case 'write':
      attempt.writes.push({ site: site.parts.name, key });
      return `set ${key} 1`;
    case 'hot':
      return 'add hot 1';
    default:
      return statement;
  }
}

export function xidOf(gtrid: string, bqual: string): Xid {
  const [known, branch] = [parseGtrid(gtrid), parseBqual(bqual)];
  if (known === undefined || branch === undefined) {
    throw new Error(`not a branch: ${gtrid}:${bqual}`);
  }
  return { gtrid: known, bqual: branch };
}

/** Carries out what was planned, until something fails: then `work` has failed. */
export async function runBranches(
  plan: Plan,
  parts: Pick<ClientBranchParts, 'host' | 'network' | 'attempt' | 'work'> & {
    readonly participants: ReadonlyMap<Site, Embedded>;
  },
): Promise<void> {
  const { work, participants } = parts;
  const branches = plan.branches.map((branch) => {
    const embedded = branch.isEmbedded ? participants.get(branch.site) : undefined;
    const one = new ClientBranch({ ...branch, ...parts, embedded });
    work.add(one);
    return one;
  });
  const run = async (branch: ClientBranch): Promise<void> => {
    try {
      await branch.run();
    } catch (error) {
      work.fail(error);
    }
  };
  if (plan.inParallel) {
    await Promise.all(branches.map(run));
    return;
  }
  for (const branch of branches) {
    if (work.failure === undefined) {
      await run(branch);
    }
  }
}
