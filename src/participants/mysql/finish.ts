// Phase two: a prepared branch is finished in the session that is bound to it, or from anywhere, and its end is proven.
import type { Clock } from '../../lib/clock.ts';
import { FifoMap } from '../../lib/fifo-map.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../xa/xid.ts';
import type { Control } from './control.ts';
import type { Engine } from './engine.ts';
import { ERRNO, ROLLED_BACK, reasonOf, refusedReason } from './errors.ts';
import { MARKER_EVIDENCE } from './listing.ts';
import { endOwner, findOwner, type Look, lookAt, pause } from './look.ts';
import type { Pinned } from './pinned.ts';
import type { Pool } from './pool.ts';
import { finishText } from './texts.ts';

type Verb = 'commit' | 'rollback';

/** How long one call goes on looking and trying before it answers `not-yet`. */
const TRY_MS = 3_000;
const RETRY_MS = 5;
/**
 * MariaDB 10.11 lists a branch as free, and its owner's lock too, a moment before InnoDB lets go of it. What finishes it in that moment
 * is answered OK and changes nothing, and the branch keeps its locks, in no list, until the server is restarted: measured 5 times in
 * 13,122 as soon as the lock of a killed owner was free, 22 in 13,823 when a client had closed its connection, and 0 in 27,144 two milliseconds later.
 */
export const LETTING_GO_MS = 100;
/** Branches that are remembered as let go of by the engine itself; those beyond are finished `LETTING_GO_MS` later. */
const DETACHED_MAX = 10_000;

export interface FinisherTools {
  readonly engine: () => Promise<Engine>;
  readonly control: Control;
  readonly clock: Clock;
  readonly pool: Pool;
  readonly pinned: Pinned;
  /** Whether this participant works in the branch now. */
  readonly isActive: (xid: Xid) => boolean;
}

export class Finisher {
  readonly #tools: FinisherTools;
  /** The call under way for a branch: one finisher at a time, since the loser of a race is told nothing that helps. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  readonly #detached = new FifoMap<string, true>(DETACHED_MAX);

  constructor(tools: FinisherTools) {
    this.#tools = tools;
  }

  /** The engine let go of the branch when it was prepared: any session may finish it at once. */
  detached(xid: Xid): void {
    this.#detached.set(formatXid(xid), true);
  }

  commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return this.#inTurn(xid, () => this.#finish('commit', xid, evidence));
  }

  rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    return this.#inTurn(xid, () => this.#finish('rollback', xid, evidence));
  }

  /** @throws {EngineError} */
  probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    return this.#inTurn(xid, async () => {
      const { control, engine, isActive } = this.#tools;
      if (isActive(xid)) {
        return 'active';
      }
      await this.#fence(xid);
      const look = await lookAt(control, await engine(), xid);
      if (look.isListed) {
        return 'prepared';
      }
      switch (look.marker) {
        case 'present':
          return 'committed';
        case 'locked':
          return 'active';
        case 'absent':
          return evidence === MARKER_EVIDENCE ? 'rolled-back' : 'unproven';
      }
    });
  }

  /** @throws {EngineError} */
  fence(xid: Xid): Promise<void> {
    return this.#inTurn(xid, () => this.#fence(xid));
  }

  async #fence(xid: Xid): Promise<void> {
    const owner = await findOwner(this.#tools.control, xid);
    if (owner !== undefined && !this.#isHarmless(xid, owner)) {
      await endOwner(this.#tools, xid, owner);
    }
  }

  /** Our own session that has prepared the branch, or that has moved on and opened no other yet. */
  #isHarmless(xid: Xid, owner: number): boolean {
    const { pool, pinned } = this.#tools;
    return pool.isIdle(owner) || pinned.connectionOf(xid) === owner;
  }

  async #inTurn<T>(xid: Xid, work: () => Promise<T>): Promise<T> {
    const key = formatXid(xid);
    const before = this.#underWay.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#underWay.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#underWay.get(key) === mine) {
        this.#underWay.delete(key);
      }
    }
  }

  async #finish(verb: Verb, xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const inSession = await this.#tools.pinned.finish(verb, xid);
    switch (inSession.kind) {
      case 'done':
        return { kind: 'done' };
      case 'refused':
        return { kind: 'not-yet', reason: refusedReason(inSession.error) };
      case 'elsewhere':
        return await this.#finishAnywhere(verb, xid, evidence);
    }
  }

  async #finishAnywhere(verb: Verb, xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const { control, clock, engine } = this.#tools;
    const deadline = clock.now() + TRY_MS;
    try {
      const known = await engine();
      const letsGo = known.kind === 'mysql' || this.#detached.get(formatXid(xid)) === true;
      let isFree = letsGo;
      for (;;) {
        if (isFree) {
          const error = await control.refusal(finishText(verb, xid));
          if (error === undefined && (letsGo || (await lookAt(control, known, xid)).marker !== 'locked')) {
            this.#detached.delete(formatXid(xid));
            return { kind: 'done' };
          }
          if (error !== undefined && error.errno !== ERRNO.xaNotA && !ROLLED_BACK.includes(error.errno)) {
            return { kind: 'not-yet', reason: refusedReason(error) };
          }
          isFree = letsGo;
        }
        const look = await lookAt(control, known, xid);
        const result = verb === 'commit' ? committed(xid, evidence, look) : this.#rolledBack(xid, look);
        if (result !== undefined) {
          return result;
        }
        if (clock.now() > deadline) {
          return { kind: 'not-yet', reason: busyReason(xid, look) };
        }
        if (look.owner !== undefined && (look.isListed || verb === 'rollback')) {
          // It alone could finish the branch, or could still prepare it.
          await endOwner(this.#tools, xid, look.owner);
        } else if (look.isListed && !isFree) {
          await pause(clock, LETTING_GO_MS);
          isFree = true;
        } else {
          await pause(clock, RETRY_MS);
        }
      }
    } catch (error) {
      return { kind: 'unknown', reason: reasonOf(error) };
    }
  }

  /** Undefined: not over yet. */
  #rolledBack(xid: Xid, look: Look): FinishResult | undefined {
    if (look.marker === 'present') {
      return { kind: 'done-otherwise', proof: `its evidence row is committed: ${formatXid(xid)} was committed` };
    }
    const mayPrepare = look.owner !== undefined && !this.#isHarmless(xid, look.owner);
    return look.isListed || look.marker === 'locked' || mayPrepare ? undefined : { kind: 'done' };
  }
}

/** Undefined: not over yet. */
function committed(xid: Xid, evidence: Evidence, look: Look): FinishResult | undefined {
  if (look.marker === 'present') {
    return { kind: 'done' };
  }
  if (look.isListed || look.marker === 'locked') {
    return undefined;
  }
  if (evidence === MARKER_EVIDENCE) {
    const proof = `the engine does not list ${formatXid(xid)} and has not its evidence row: it was rolled back`;
    return { kind: 'done-otherwise', proof };
  }
  const message = `the engine does not list ${formatXid(xid)}, and there is no evidence to ask for`;
  return { kind: 'unproven', reason: { code: 'BRANCH_UNKNOWN', message, retryable: false } };
}

function busyReason(xid: Xid, look: Look): Reason {
  const isHidden = !look.isListed && look.owner === undefined;
  const nowhere = isHidden ? ', and lists it nowhere: if that stays so, restart the server, which lists it again' : '';
  const where = look.owner === undefined ? '' : `, opened by session ${look.owner}`;
  return {
    code: 'ENGINE_UNAVAILABLE',
    message: `the engine still holds ${formatXid(xid)}${where}${nowhere}`,
    retryable: true,
  };
}
