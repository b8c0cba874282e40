// What a participant runtime is given, and what it tells of itself.
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Random } from '../../lib/random.ts';
import type { CoordinatorError } from '../../xa/errors.ts';
import type { ResourceName } from '../../xa/xid.ts';
import type { DialCoordinator } from '../attach/attach-link.ts';
import type { ResourceManager } from '../resource-manager.ts';

export interface RuntimeOptions {
  readonly resource: ResourceName;
  readonly kind: 'sidecar' | 'embedded';
  /** Where ResourceService is served; empty when embedded. */
  readonly address: string;
  /** Opened and closed by the caller, who keeps it open until the runtime is disposed. */
  readonly rm: ResourceManager;
  readonly dial: DialCoordinator;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: EventLogger;
  readonly maxBranches?: number;
  /** The engine refuses the user or the password; heard at each attempt. */
  readonly onLoginRefused?: () => void;
  readonly onStatus?: (status: RuntimeStatus) => void;
  /** The coordinator refused the attachment; it is tried again, since most reasons can be fixed, unless the caller disposes. */
  readonly onRefused?: (error: CoordinatorError, context: { readonly wasReady: boolean }) => void;
}

export interface RuntimeStatus {
  /** Takes part: welcomed, and the epoch is durable in the engine. */
  readonly ready: boolean;
  /** The engine answered when it was last asked. */
  readonly engineAnswers: boolean;
  readonly draining: boolean;
}
