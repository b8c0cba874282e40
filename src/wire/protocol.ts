// Which protocols this version speaks: both sides of every session say it in their hello, and the highest that both know is used.
import { CoordinatorError } from '../xa/errors.ts';

/** As hello messages carry it; both ends included. */
interface ProtocolRange {
  readonly protocolLowest: number;
  readonly protocolHighest: number;
}

/**
 * The highest rises with every change of messages, the lowest when an older peer would misread a newer one. Before 4 evidence was a text,
 * which no coordinator reads any more.
 */
export const PROTOCOL: ProtocolRange = { protocolLowest: 4, protocolHighest: 4 };

/**
 * The protocol that the coordinator uses with a peer.
 * @param peer what it is: `client` or `participant`
 * @throws {CoordinatorError} PROTOCOL: there is none that both speak
 */
export function agreedProtocol(peer: string, theirs: ProtocolRange, ours: ProtocolRange = PROTOCOL): number {
  const highest = Math.min(theirs.protocolHighest, ours.protocolHighest);
  if (highest < Math.max(theirs.protocolLowest, ours.protocolLowest)) {
    const older = theirs.protocolHighest < ours.protocolLowest ? peer : 'coordinator';
    throw new CoordinatorError(
      'PROTOCOL',
      `this coordinator speaks ${describe(ours)}, the ${peer} ${describe(theirs)}: upgrade the ${older}`,
    );
  }
  return highest;
}

/**
 * What a peer does with the coordinator's choice.
 * @param peer what we are
 * @throws {CoordinatorError} PROTOCOL: it is none of ours, as of a coordinator that knows nothing of ranges
 */
export function requireProtocol(peer: string, chosen: number, ours: ProtocolRange = PROTOCOL): void {
  if (!isSpoken(chosen, ours)) {
    const older = chosen < ours.protocolLowest ? 'coordinator' : peer;
    const theirs = chosen === 0 ? 'none, as an older version does' : `protocol ${chosen}`;
    throw new CoordinatorError(
      'PROTOCOL',
      `the coordinator has chosen ${theirs}, this ${peer} speaks ${describe(ours)}: upgrade the ${older}`,
    );
  }
}

export function isSpoken(protocol: number, ours: ProtocolRange = PROTOCOL): boolean {
  return protocol >= ours.protocolLowest && protocol <= ours.protocolHighest;
}

/** `protocol 4`, `protocols 4 to 6`. */
function describe({ protocolLowest, protocolHighest }: ProtocolRange): string {
  return protocolLowest === protocolHighest || protocolLowest === 0
    ? `protocol ${protocolHighest}`
    : `protocols ${protocolLowest} to ${protocolHighest}`;
}
