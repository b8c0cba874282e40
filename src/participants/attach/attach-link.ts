// How a participant reaches its coordinator: a port, so that the same runtime speaks over gRPC, inside one process, or in a simulation.
import type { CoordinatorMessage__Output } from '../../gen/concordat/v1/CoordinatorMessage.ts';
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';

/** One attach stream. After its end messages are dropped, as a broken stream would lose them (D9). */
export interface AttachLink {
  send(message: ParticipantMessage): void;
  /** Ends the stream after what was sent; resolves when the coordinator has ended its half too. `onClosed` is not called any more. */
  end(): Promise<void>;
  /** Gives the stream up at once; `onClosed` is not called any more. */
  destroy(): void;
}

export interface AttachEvents {
  readonly onMessages: (messages: readonly CoordinatorMessage__Output[]) => void;
  /** Called once when the stream is over, never from inside the call that opened it. */
  readonly onClosed: (why: string) => void;
}

/** Opens an attach stream. Never throws: a coordinator that cannot be reached is a stream that is closed at once. */
export type DialCoordinator = (events: AttachEvents) => AttachLink;
