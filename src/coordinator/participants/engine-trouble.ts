// What a sidecar says of its database with each heartbeat: people see it where they see that the sidecar is attached.
import type { Reason__Output as WireReason } from '../../gen/concordat/v1/Reason.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Directory, Link } from '../calls/directory.ts';
import { tellReason } from '../driver/fixes.ts';
import { decodeTrouble } from './messages.ts';

interface EngineTroubleParts {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: EventLogger;
}

/** Notes why the database refuses the sidecar, or that it answers; one line for each change. Before it is attached that is nobody's business. */
export function heardOfEngine(
  { directory, clock, logger }: EngineTroubleParts,
  link: Link | undefined,
  told: WireReason | null | undefined,
): void {
  const trouble = decodeTrouble(told);
  if (link === undefined || !directory.noteTrouble(link, trouble, clock.now())) {
    return;
  }
  const { resource, instance } = link;
  if (trouble === undefined) {
    logger.info({ evt: 'engine-answers', resource, instance });
  } else {
    logger.warn({ evt: 'engine-refuses', resource, instance, code: trouble.code, message: tellReason(trouble) });
  }
}
