// What the log hears of a branch.
import { unreachable } from '../../../lib/assert.ts';
import type { EventLogger } from '../../../lib/logger.ts';
import type { Note } from '../../engine/effect.ts';

export function logNote(logger: EventLogger, branch: string, note: Note): void {
  switch (note.kind) {
    case 'commit-of-unprepared':
      logger.error({ evt: note.kind, branch, state: note.state });
      return;
    case 'opened-twice':
      logger.warn({ evt: 'branch-opened-twice', branch });
      return;
    case 'lost':
      logger.warn({ evt: 'branch-lost', branch, code: note.reason.code, message: note.reason.message });
      return;
    case 'timeout':
      logger.info({ evt: 'branch-timeout', branch });
      return;
    case 'prepare-overdue':
      logger.warn({ evt: note.kind, branch });
      return;
    default:
      unreachable(note);
  }
}
