// One opening of a branch while this participant holds it, and as long as its session has to do: what the runtime keeps of it.
import type { Timer } from '../../../lib/clock.ts';
import type { Opening } from '../../../xa/evidence.ts';
import type { Vote } from '../../../xa/vocabulary.ts';
import { formatXid, gtridParts, type LogIdentity, type Xid } from '../../../xa/xid.ts';
import { type State, UNKNOWN } from '../../engine/state.ts';
import type { BranchSession } from '../../resource-manager.ts';
import type { NewestStatement } from './newest-statement.ts';

interface NewBranch {
  readonly xid: Xid;
  readonly opening: Opening;
  readonly timeoutMs: number;
  readonly opener: () => Promise<BranchSession>;
}

export interface HeldBranch extends NewBranch {
  readonly key: string;
  readonly identity: LogIdentity;
  readonly epoch: number;
  /** Changed by `Branches` only. When the branch has left the table, how it ended. */
  state: State;
  /** Settles when the engine has opened the branch; rejects with what `open` rejected with. Undefined: not begun. */
  session: Promise<BranchSession> | undefined;
  /** Executes the last statement and prepares. Undefined: it has not come. */
  last: ((session: BranchSession) => Promise<Vote>) | undefined;
  /** Its vote is being taken, or was. Never rejects. */
  voting: Promise<Vote> | undefined;
  /** Its session is being ended, or was. */
  ending: Promise<void> | undefined;
  /** How the engine showed that a statement committed the branch's work alone; its vote tells that, if it was wanted before. */
  damage: string | undefined;
  newest: NewestStatement | undefined;
  /** Statements that are queued or running. */
  waiting: number;
  deadline: Timer | undefined;
}

export function newBranch(branch: NewBranch): HeldBranch {
  const { xid, opening, timeoutMs, opener } = branch;
  const { identity, epoch } = gtridParts(xid.gtrid);
  return {
    ...{ xid, key: formatXid(xid), opening, identity, epoch, timeoutMs, opener },
    state: UNKNOWN,
    session: undefined,
    last: undefined,
    voting: undefined,
    ending: undefined,
    damage: undefined,
    newest: undefined,
    waiting: 0,
    deadline: undefined,
  };
}
