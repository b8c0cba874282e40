// Phase two: a prepared branch is finished in the session that is bound to it, or from anywhere, and its end is proven.

import type { Clock } from '../../../lib/clock.ts';
import { FifoMap } from '../../../lib/fifo-map.ts';
import { pause } from '../../../lib/wait.ts';
import { type EvidenceRow, formatRow, rowOf } from '../../../xa/evidence.ts';
import { FINISH_TRY_MS } from '../../../xa/times.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../../xa/vocabulary.ts';
import type { Xid } from '../../../xa/xid.ts';
import { noOpening, noProof } from '../../reasons.ts';
import { EngineError } from '../../resource-manager.ts';
import type { Engine } from '../protocol/engine.ts';
import { ERRNO, ROLLED_BACK_ERRNOS, refusedReason, thrownReason } from '../protocol/errors.ts';
import type { MysqlSessions } from '../session/pool.ts';
import { BRANCH_TABLE, finishText, type Target } from '../sql/texts.ts';
import type { ControlSessions } from './control.ts';
import { endOwner, findOwner, isKillDenied, type Look, lookFor, nameOf } from './look.ts';
import type { Pinned } from './pinned.ts';

type Verb = 'commit' | 'rollback';

const RETRY_MS = 5;
/**
 * MariaDB 10.11 lists a branch as free, and its owner's lock too, a moment before InnoDB lets go of it. What finishes it in that moment
 * is answered OK and changes nothing, and the branch keeps its locks, in no list, until the server is restarted: measured 5 times in
 * 13,122 as soon as the lock of a killed owner was free, 22 in 13,823 when a client had closed its connection, and 0 in 27,144 two milliseconds later.
 */
export const LETTING_GO_MS = 100;
/** Branches that are remembered as let go of by the engine itself; those beyond are finished `LETTING_GO_MS` later. */
const DETACHED_MAX = 10_000;

interface FinisherTools {
  readonly engine: () => Promise<Engine>;
  readonly control: ControlSessions;
  readonly clock: Clock;
  readonly pool: MysqlSessions;
  readonly pinned: Pinned;
  /** Whether this participant works in the branch now. */
  readonly isActive: (target: Target) => boolean;
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
  detached(row: EvidenceRow): void {
    this.#detached.set(formatRow(row), true);
  }

  async commit(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const row = rowOf(xid, evidence);
    if (row === undefined) {
      return { kind: 'unproven', reason: noOpening(xid) };
    }
    const result = await this.#inTurn(row, () => this.#finish('commit', row));
    return result.kind === 'done-otherwise' && evidence.kind !== 'row'
      ? { kind: 'unproven', reason: noProof(xid) }
      : result;
  }

  async rollback(xid: Xid, evidence: Evidence): Promise<FinishResult> {
    const row = rowOf(xid, evidence);
    return row === undefined
      ? await this.#inTurn(xid, () => this.#rollbackName(xid))
      : await this.#inTurn(row, () => this.#finish('rollback', row));
  }

  /** @throws {EngineError} */
  probe(xid: Xid, evidence: Evidence): Promise<BranchProof> {
    const target = rowOf(xid, evidence) ?? xid;
    return this.#inTurn(target, async () => {
      const { control, engine, isActive } = this.#tools;
      if (isActive(target)) {
        return 'active';
      }
      await this.#fence(target);
      const look = await lookFor(control, await engine(), target);
      if (look.listed.length > 0) {
        return 'prepared';
      }
      switch (look.marker) {
        case 'present':
          return 'committed';
        case 'locked':
          return 'active';
        case 'absent':
          return evidence.kind === 'row' ? 'rolled-back' : 'unproven';
      }
    });
  }

  /** @throws {EngineError} */
  fence(xid: Xid, evidence: Evidence): Promise<void> {
    const target = rowOf(xid, evidence) ?? xid;
    return this.#inTurn(target, () => this.#fence(target));
  }

  async #fence(target: Target): Promise<void> {
    const owner = await findOwner(this.#tools.control, target);
    if (owner !== undefined && !this.#isHarmless(target, owner)) {
      await endOwner(this.#tools, target, owner);
    }
  }

  /** Our own session that has prepared the branch, or that has moved on and opened no other yet. */
  #isHarmless(target: Target, owner: number): boolean {
    const { pool, pinned } = this.#tools;
    return (
      pool.free.some(({ id }) => id === owner) || pinned.rows(target).some((row) => pinned.connectionOf(row) === owner)
    );
  }

  /** Every opening that bears the name: at most one of them has a session that works, by the lock of the name. */
  async #rollbackName(xid: Xid): Promise<FinishResult> {
    const { control, engine } = this.#tools;
    try {
      await this.#fence(xid);
      const { listed } = await lookFor(control, await engine(), xid);
      for (const row of [...this.#tools.pinned.rows(xid), ...listed]) {
        const result = await this.#inTurn(row, () => this.#finish('rollback', row));
        if (result.kind !== 'done') {
          return result;
        }
      }
      const look = await lookFor(control, await engine(), xid);
      return this.#rolledBack(xid, look) ?? { kind: 'not-yet', reason: busyReason(xid, look) };
    } catch (error) {
      const isUnchanged = error instanceof EngineError && isKillDenied(error);
      return { kind: isUnchanged ? 'not-yet' : 'unknown', reason: thrownReason(error) };
    }
  }

  async #inTurn<T>(target: Target, work: () => Promise<T>): Promise<T> {
    const key = nameOf(target);
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

  async #finish(verb: Verb, row: EvidenceRow): Promise<FinishResult> {
    return (await this.#tools.pinned.finish(verb, row)) ?? (await this.#finishAnywhere(verb, row));
  }

  async #finishAnywhere(verb: Verb, row: EvidenceRow): Promise<FinishResult> {
    const { control, clock, engine } = this.#tools;
    const deadline = clock.now() + FINISH_TRY_MS;
    try {
      const known = await engine();
      const letsGo = known.kind === 'mysql' || this.#detached.get(formatRow(row)) === true;
      let isFree = letsGo;
      for (;;) {
        if (isFree) {
          const error = await control.refusal(finishText(verb, row));
          if (error === undefined && (letsGo || (await lookFor(control, known, row)).marker !== 'locked')) {
            this.#detached.delete(formatRow(row));
            return { kind: 'done' };
          }
          if (error !== undefined && error.errno !== ERRNO.xaNotA && !ROLLED_BACK_ERRNOS.includes(error.errno)) {
            return { kind: 'not-yet', reason: refusedReason(error) };
          }
          isFree = letsGo;
        }
        const look = await lookFor(control, known, row);
        const result = verb === 'commit' ? committed(row, look) : this.#rolledBack(row, look);
        if (result !== undefined) {
          return result;
        }
        if (clock.now() > deadline) {
          return { kind: 'not-yet', reason: busyReason(row, look) };
        }
        const isListed = look.listed.length > 0;
        if (look.owner !== undefined && (isListed || verb === 'rollback')) {
          // It alone could finish the branch, or could still prepare it.
          await endOwner(this.#tools, row, look.owner);
        } else if (isListed && !isFree) {
          await pause(clock, LETTING_GO_MS);
          isFree = true;
        } else {
          await pause(clock, RETRY_MS);
        }
      }
    } catch (error) {
      const isUnchanged = error instanceof EngineError && isKillDenied(error);
      return { kind: isUnchanged ? 'not-yet' : 'unknown', reason: thrownReason(error) };
    }
  }

  /** Undefined: not over yet. */
  #rolledBack(target: Target, look: Look): FinishResult | undefined {
    if (look.marker === 'present') {
      return { kind: 'done-otherwise', proof: `its row is in ${BRANCH_TABLE}: ${nameOf(target)} was committed` };
    }
    const mayPrepare = look.owner !== undefined && !this.#isHarmless(target, look.owner);
    return look.listed.length > 0 || look.marker === 'locked' || mayPrepare ? undefined : { kind: 'done' };
  }
}

/** Undefined: not over yet. */
function committed(row: EvidenceRow, look: Look): FinishResult | undefined {
  if (look.marker === 'present') {
    return { kind: 'done' };
  }
  if (look.listed.length > 0 || look.marker === 'locked') {
    return undefined;
  }
  const proof = `the database neither lists ${formatRow(row)} nor has its row in ${BRANCH_TABLE}: it is not committed here`;
  return { kind: 'done-otherwise', proof };
}

function busyReason(target: Target, look: Look): Reason {
  const isHidden = look.listed.length === 0 && look.owner === undefined;
  const nowhere = isHidden ? ', and lists it nowhere: if that stays so, restart the server, which lists it again' : '';
  const where = look.owner === undefined ? '' : `, opened by session ${look.owner}`;
  return {
    code: 'ENGINE_UNAVAILABLE',
    message: `the engine still holds ${nameOf(target)}${where}${nowhere}`,
    retryable: true,
  };
}
