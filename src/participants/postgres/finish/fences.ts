// Sessions that were left although they may still prepare or commit: ended by the name that they carry, or by their process.
import { type EvidenceRow, formatRow } from '../../../xa/evidence.ts';
import type { FinishResult, Reason } from '../../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../../xa/xid.ts';
import { lostReason } from '../protocol/errors.ts';
import type { RunInControl } from '../session/query.ts';
import type { Backend } from '../session/session-port.ts';
import { BRANCH_TABLE } from '../tables/tables.ts';
import { fenceBranch } from './catalogue.ts';
import { standingOf } from './finish.ts';

/** Processes remembered until they are known to be gone; the name that their sessions carry finds older ones, too. */
const ABANDONED_MAX = 1_000;

export class Fences {
  readonly #control: RunInControl;
  /** Server processes that may still prepare a branch although we left them, by the opening. */
  readonly #abandoned = new Map<string, Backend>();

  constructor(control: RunInControl) {
    this.#control = control;
  }

  /** Of one opening, or of every opening of the name. @throws {EngineError} one of them does not end. */
  async end(branch: Xid | EvidenceRow): Promise<void> {
    const name = 'opening' in branch ? formatRow(branch) : `${formatXid(branch)}:`;
    const abandoned = [...this.#abandoned].filter(([key]) => key.startsWith(name));
    const backends = abandoned.map(([, backend]) => backend);
    await fenceBranch(this.#control, branch, backends);
    for (const [key] of abandoned) {
      this.#abandoned.delete(key);
    }
  }

  /** The same; why one of them does not end. Never rejects. */
  async stuck(branch: Xid | EvidenceRow): Promise<Reason | undefined> {
    try {
      await this.end(branch);
      return undefined;
    } catch (error) {
      return lostReason(error);
    }
  }

  /** Never rejects. */
  async abandon(row: EvidenceRow, backend: Backend): Promise<void> {
    const [oldest] = this.#abandoned.keys();
    if (this.#abandoned.size >= ABANDONED_MAX && oldest !== undefined) {
      this.#abandoned.delete(oldest);
    }
    this.#abandoned.set(formatRow(row), backend);
    // Where the engine cannot be asked now, the entry stays, and whoever fences this branch later ends the process then.
    await this.stuck(row);
  }

  /**
   * How a commit in one phase ended whose answer was lost. A process that is gone executes nothing any more: then, and not before, a row
   * that is not there is the end and not a moment.
   */
  async proveOnePhase(row: EvidenceRow, backend: Backend): Promise<FinishResult> {
    this.#abandoned.set(formatRow(row), backend);
    const stuck = await this.stuck(row);
    const standing = stuck === undefined ? await standingOf(this.#control, row) : undefined;
    switch (standing) {
      case 'committed':
        return { kind: 'done' };
      case 'neither':
        return {
          kind: 'done-otherwise',
          proof: `its row ${formatRow(row)} is not in ${BRANCH_TABLE}: it was rolled back`,
        };
      default: {
        const why = stuck?.message ?? (typeof standing === 'object' ? standing.reason.message : 'it is prepared');
        const message = `the answer to COMMIT was lost, and it is not known now how it ended: ${why}`;
        return { kind: 'unknown', reason: { code: 'OUTCOME_UNKNOWN', message, retryable: true } };
      }
    }
  }
}
