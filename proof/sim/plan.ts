// What one transaction is going to do, drawn before it begins.
import type { Acknowledgement, Isolation } from '../../src/xa/vocabulary.ts';
import type { Chance } from './chance.ts';
import type { Site } from './site.ts';
import type { ShapeOptions } from './swarm.ts';

/** `write` sets a key of its own, `hot` one that all transactions want; the rest is the memory engine's language. */
export type PlannedStatement = 'write' | 'hot' | 'get hot' | 'fail';

export interface PlannedBranch {
  readonly site: Site;
  readonly bqual: string;
  readonly statements: readonly PlannedStatement[];
  /** The last statement prepares, and its vote goes out unasked. */
  readonly isLast: boolean;
  readonly isolation: Isolation;
  /** The participant is told that the client will name the branch to the coordinator, and may be slower to report it. */
  readonly isNamed: boolean;
  /** In the client's own participant, where it has one. */
  readonly isEmbedded: boolean;
}

export interface Plan {
  readonly branches: readonly PlannedBranch[];
  readonly inParallel: boolean;
  readonly end: 'commit' | 'rollback' | 'abandon';
  /** The statements and the commit leave at once, and nothing is waited for in between. */
  readonly isOneShot: boolean;
  /** A rollback is asked for while the commit is under way: one of the two wins, and both hear which. */
  readonly isRaced: boolean;
  readonly acknowledgement: Acknowledgement;
  readonly timeoutMs: number;
  readonly outcomeTimeoutMs: number;
}

export function drawPlan(chance: Chance, shape: ShapeOptions, sites: readonly Site[]): Plan {
  const count = chance.skewed(1, shape.branchesMax);
  const lastShare = chance.happens(0.5) ? shape.lastShare : 0;
  const used = new Map<string, number>();
  const branches = Array.from({ length: count }, (): PlannedBranch => {
    const site = chance.pick(sites);
    const nth = used.get(site.parts.name) ?? 0;
    used.set(site.parts.name, nth + 1);
    const bqual = nth === 0 ? site.parts.name : `${site.parts.name}.${nth}`;
    const length = chance.skewed(1, 3);
    const isReader = chance.happens(shape.readShare);
    const statements = Array.from({ length }, (): PlannedStatement => {
      if (chance.happens(shape.failShare)) {
        return 'fail';
      }
      if (isReader) {
        return 'get hot';
      }
      // Only one branch of a site: a second one would wait for the first until the deadline.
      return nth === 0 && chance.happens(shape.hotShare) ? 'hot' : 'write';
    });
    return {
      site,
      bqual,
      statements,
      isLast: chance.happens(lastShare),
      isolation: 'default',
      isNamed: chance.happens(0.7),
      isEmbedded: chance.happens(0.7),
    };
  });
  const drawn = chance.next();
  const end =
    drawn < shape.rollbackShare ? 'rollback' : drawn < shape.rollbackShare + shape.abandonShare ? 'abandon' : 'commit';
  return {
    branches: chance.happens(0.02) ? [] : branches,
    inParallel: chance.happens(0.7),
    end,
    // A single branch is committed in one phase, which its client asks for when every statement is answered.
    isOneShot: chance.happens(shape.oneShotShare) && count > 1 && end === 'commit',
    isRaced: chance.happens(shape.raceShare),
    acknowledgement: chance.happens(shape.decidedShare) ? 'decided' : 'applied',
    timeoutMs: Math.round(chance.between(shape.timeoutMs[0], shape.timeoutMs[1])),
    outcomeTimeoutMs: chance.pick([0, 1_000, 15_000]),
  };
}
