// What the attach stream needs of the participant, and where it stands.
import type { AttachHello } from '../../gen/concordat/v1/AttachHello.ts';
import type { HeldBranch } from '../../gen/concordat/v1/HeldBranch.ts';
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Pulse } from '../../lib/pulse.ts';
import type { Random } from '../../lib/random.ts';
import type { CoordinatorError } from '../../xa/errors.ts';
import type { LogIdentity } from '../../xa/xid.ts';
import type { RecordedLife } from '../resource-manager.ts';
import type { AttachLink, DialCoordinator } from './attach-link.ts';
import type { Command, Welcome } from './command.ts';
import type { EngineWatch } from './engine-watch.ts';

export interface AttachOptions {
  readonly dial: DialCoordinator;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: EventLogger;
  readonly engine: EngineWatch;
  /** What this participant and its engine are. @throws {EngineError} the engine cannot be asked. */
  readonly introduce: () => Promise<AttachHello>;
  readonly held: () => HeldBranch[];
  /** As the port says. @throws {EngineError} */
  readonly raiseEpoch: (life: Welcome, previous: RecordedLife) => Promise<RecordedLife>;
  /** Writes a new token into the engine and answers it. @throws {EngineError} */
  readonly showToken: () => Promise<string>;
  /** A life of a log spoke: by its welcome, unless that is a leap, and once more by what the engine has recorded. */
  readonly onLife: (identity: LogIdentity, epoch: number) => void;
  readonly onReady: (welcome: Welcome) => void;
  /** The participant does not take part any more, until the next `onReady`. */
  readonly onDetached: () => void;
  readonly onCommand: (command: Command, welcome: Welcome) => void;
  readonly onRefused: (error: CoordinatorError) => void;
}

export type AttachState =
  /** Stopped, asking the engine who it is, or waiting for the next attempt. */
  | { readonly kind: 'detached' }
  /** Hello is sent. What happens to a branch from now on is not in it, and is told after ready. */
  | { readonly kind: 'greeting'; readonly link: AttachLink; readonly untold: ParticipantMessage[] }
  /** Welcomed; the epoch is on its way into the engine. */
  | {
      readonly kind: 'raising';
      readonly link: AttachLink;
      readonly untold: ParticipantMessage[];
      readonly pulse: Pulse;
    }
  /** Ready is sent; the coordinator looks whether it is at the same database as the others. */
  | {
      readonly kind: 'comparing';
      readonly link: AttachLink;
      readonly untold: ParticipantMessage[];
      readonly pulse: Pulse;
      readonly welcome: Welcome;
    }
  | { readonly kind: 'ready'; readonly link: AttachLink; readonly welcome: Welcome; readonly pulse: Pulse }
  /** The engine's record speaks against the coordinator: nothing is done for this coordinator, which will say so and end the stream. */
  | { readonly kind: 'stale'; readonly link: AttachLink; readonly pulse: Pulse };
