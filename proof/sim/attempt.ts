// What the judges remember of each transaction that a client tried: what it wrote where, what it asked for, what it was told.
import type { BranchIdentity } from '../../src/client/public/errors.ts';
import type { RefusedError } from '../../src/client/session/failures.ts';
import type { Gtrid } from '../../src/xa/xid.ts';

export type Told = 'committed' | 'rolled-back' | 'mixed' | 'hazard' | 'unknown' | 'active' | 'expired';

export interface Write {
  readonly site: string;
  /** Written by this transaction and by no other. */
  readonly key: string;
}

export class Attempt {
  readonly number: number;
  readonly gtrid: Gtrid;
  /** Every write that was answered, or may have been carried out. */
  readonly writes: Write[] = [];
  /** Branches that anything was sent to. */
  branches: readonly BranchIdentity[] = [];
  /** The commit request has left. Without one nothing may ever be committed. */
  askedToCommit = false;
  /** One of its statements was refused after the commit had been asked for, or is going to be: it must not be committed. */
  isRefused = false;
  /** What its client, or whoever asked later, was told; in order. */
  readonly told: Told[] = [];
  /** Somebody finished a branch of it by hand, or vouched for one: it may end as it likes, if only that is recorded. */
  meddled = false;
  /** Only an administrator at the database has meddled: what he did against a decision must be in the log as damage. */
  byHand = false;
  /** Its commit was answered, by an engine that may have failed before it could prove an end. */
  isOnePhase = false;
  /** Its Begin was answered, which happens only with a refusal. */
  refusedBegin: RefusedError | undefined;
  /** Databases whose history was cut back to before its work there: that its rows are missing there is nobody's fault. */
  readonly lostAt = new Set<string>();
  /** Openings that were prepared there then. */
  readonly lostPrepared = new Set<string>();
  /** Simulated time of the last cut that touched it. */
  cutAt = Number.NEGATIVE_INFINITY;
  /** Simulated time at which the commit was asked for. */
  askedAt = 0;

  constructor(number: number, gtrid: Gtrid) {
    this.number = number;
    this.gtrid = gtrid;
  }

  /** The history of a database was cut back to before something of it; `prepared`: an opening that was prepared. */
  lose(site: string, now: number, prepared?: string): void {
    this.lostAt.add(site);
    this.cutAt = now;
    if (prepared !== undefined) {
      this.lostPrepared.add(prepared);
    }
  }

  /** Whether damage may be recorded of it, and told. */
  get mayBeDamaged(): boolean {
    return this.meddled || this.lostAt.size > 0;
  }
}

/** Every attempt of a simulation. */
export class Attempts {
  readonly all: Attempt[] = [];
  readonly #byGtrid = new Map<string, Attempt>();

  add(gtrid: string): Attempt {
    const attempt = new Attempt(this.all.length + 1, gtrid as Gtrid);
    this.all.push(attempt);
    this.#byGtrid.set(gtrid, attempt);
    return attempt;
  }

  get(gtrid: string): Attempt | undefined {
    return this.#byGtrid.get(gtrid);
  }
}
