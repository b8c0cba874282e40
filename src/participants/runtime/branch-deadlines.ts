// How long a branch may take: its own deadline while it is active, and a grace for a prepare that hangs when nobody wants it any more.
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Branch } from './branch.ts';
import { clampTimeout } from './statement-call.ts';

/** How long a prepare that hangs may outlive the branch's deadline before its session is ended under it. */
const PREPARE_GRACE_MS = 5_000;

export interface BranchDeadlinesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The deadline of a branch that is active has passed. */
  readonly onOverdue: (branch: Branch) => void;
}

export class BranchDeadlines {
  readonly #options: BranchDeadlinesOptions;

  constructor(options: BranchDeadlinesOptions) {
    this.#options = options;
  }

  start(branch: Branch, timeoutMs: number): void {
    branch.deadline = this.#options.clock.after(clampTimeout(timeoutMs), () => {
      if (branch.state.kind === 'active') {
        this.#options.onOverdue(branch);
      } else {
        this.hurry(branch);
      }
    });
  }

  /**
   * Nobody wants the branch prepared any more. Its last statement may wait for a lock for ever, so after a grace its session is
   * ended under it. If the prepare went through after all, its vote or reconciliation tells.
   */
  hurry(branch: Branch): void {
    const { clock, logger } = this.#options;
    if (branch.state.kind === 'preparing') {
      branch.deadline?.cancel();
      branch.deadline = clock.after(PREPARE_GRACE_MS, () => {
        if (branch.state.kind === 'preparing') {
          logger.warn({ evt: 'prepare-overdue', branch: branch.key });
          branch.session.then((session) => session.rollback()).catch(() => undefined);
        }
      });
    }
  }
}
