// The resource manager of an embedded participant: connections of its own for phase two, and the application's for its branches.
import { FifoMap } from '../../lib/fifo-map.ts';
import { type EvidenceRow, formatRow, rowOf } from '../../xa/evidence.ts';
import type { Evidence } from '../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../xa/xid.ts';
import type { ApplicationBranch, EndedOutside } from '../lent/application-branch.ts';
import type { ResourceManager } from '../resource-manager.ts';
import { EngineError } from '../resource-manager.ts';

/** Branches that were ended by something else than us: a rarity, and each of them is damage. */
const ENDED_MAX = 1_000;

export interface EmbeddedManager extends ResourceManager {
  /** From now on phase two of this opening goes to its own session first, until that is released. */
  lend(row: EvidenceRow, branch: ApplicationBranch): void;
  /** The engine that this participant works with: a connection of another one is not its branches' place. Not asked for each branch. */
  knownIdentity(): Promise<string>;
}

/** `base` is disposed with it. */
export function openEmbeddedManager(base: ResourceManager): EmbeddedManager {
  const lent = new Map<string, ApplicationBranch>();
  /** The coordinator may ask again for the rollback of a branch whose connection was given back. */
  const ended = new FifoMap<string, EndedOutside>(ENDED_MAX);
  /** Branches whose connections were given back, and may still hold the lock of their owner. */
  const unlocking = new Map<string, Promise<void>>();
  const unlocked = async (xid: Xid, evidence: Evidence): Promise<void> => {
    const name = nameOf(xid, evidence);
    await Promise.all([...unlocking].map(([key, promise]) => (key.startsWith(name) ? promise : undefined)));
  };
  const lentTo = (xid: Xid, evidence: Evidence): readonly ApplicationBranch[] => {
    const name = nameOf(xid, evidence);
    return [...lent].flatMap(([key, branch]) => (key.startsWith(name) ? [branch] : []));
  };
  let expected: string | undefined;
  return {
    identify: () => base.identify(),
    expectIdentity: (identity) => {
      expected = identity;
      base.expectIdentity(identity);
    },
    knownIdentity: async () => expected ?? (await base.identify()).identity,
    preflight: () => base.preflight(),
    createTables: () => base.createTables(),
    showToken: (instance, token) => base.showToken(instance, token),
    readToken: (instance) => base.readToken(instance),
    raiseEpoch: (identity, epoch, token, previous) => base.raiseEpoch(identity, epoch, token, previous),
    knownLogs: () => base.knownLogs(),
    open: () => {
      const message = 'statements of an embedded participant are executed by the application';
      throw new EngineError({ code: 'INTERNAL', message, retryable: false }, { sessionLost: false });
    },
    commit: async (xid, evidence) => {
      const finished = await lentTo(xid, evidence)[0]?.finish('commit');
      await (finished ?? unlocked(xid, evidence));
      return finished ?? (await base.commit(xid, evidence));
    },
    rollback: async (xid, evidence) => {
      const [branch, ...others] = lentTo(xid, evidence);
      const row = rowOf(xid, evidence);
      const outside = (await branch?.endedOutside()) ?? ended.get(row === undefined ? formatXid(xid) : formatRow(row));
      if (outside?.kind === 'committed') {
        return { kind: 'done-otherwise', proof: outside.proof };
      }
      const finished = await branch?.finish('rollback');
      for (const other of others) {
        await other.finish('rollback');
      }
      await (finished ?? unlocked(xid, evidence));
      return finished ?? (await base.rollback(xid, evidence));
    },
    list: () => base.list(),
    probe: async (xid, evidence) => {
      await unlocked(xid, evidence);
      return await base.probe(xid, evidence);
    },
    fence: async (xid, evidence) => {
      await unlocked(xid, evidence);
      await base.fence(xid, evidence);
    },
    markers: (identity) => base.markers(identity),
    forget: (xids) => base.forget(xids),
    blockedSessions: (xid) => base.blockedSessions(xid),
    lend: (row, branch) => {
      const key = formatRow(row);
      lent.set(key, branch);
      void branch.released.then(() => {
        const promise = branch.unlocked.finally(() => unlocking.delete(key));
        unlocking.set(key, promise);
      });
      void branch.released.then(async () => {
        const outside = await branch.endedOutside();
        if (outside !== undefined) {
          ended.set(key, outside);
          ended.set(formatXid(row), outside); // A branch that voted no is rolled back without a word of which opening.
        }
        lent.delete(key);
      });
    },
    [Symbol.asyncDispose]: () => base[Symbol.asyncDispose](),
  };
}

/** What the keys of one opening, or of every opening of a branch, begin with. */
function nameOf(xid: Xid, evidence: Evidence): string {
  const row = rowOf(xid, evidence);
  return row === undefined ? `${formatXid(xid)}:` : formatRow(row);
}
