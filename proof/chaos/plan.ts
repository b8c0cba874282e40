// What goes wrong when: drawn from the seed alone, so that one line on the command line draws it again.
import { FAILPOINTS, type Failpoint } from '../../src/lib/failpoint.ts';
import type { Roll } from '../disk/dice.ts';
import { LINK_FAULTS, type LinkFault } from './proxy.ts';

export type PartKind = 'coordinator' | 'sidecar' | 'application' | 'database';

export interface PartName {
  readonly kind: PartKind;
  readonly name: string;
}

export const DISK_TROUBLES = ['slow', 'failing', 'full'] as const;
export type DiskTrouble = (typeof DISK_TROUBLES)[number];

export type Blow =
  | { readonly kind: 'kill'; readonly part: PartName }
  /** Ended in order, with SIGTERM, and started again. */
  | { readonly kind: 'restart'; readonly part: PartName }
  | { readonly kind: 'freeze'; readonly part: PartName; readonly ms: number; readonly thenKill: boolean }
  /** A link of that dialler or listener, as many as it has, from `index` on. */
  | { readonly kind: 'link'; readonly index: number; readonly fault: LinkFault; readonly ms: number }
  | { readonly kind: 'isolate'; readonly part: PartName; readonly ms: number }
  | { readonly kind: 'disk'; readonly trouble: DiskTrouble; readonly ms: number };

/** Several blows at once, after the system has worked for a while, or in the middle of its recovery. */
export interface Strike {
  /** First so many transactions are committed; 0: in the middle of the recovery from the strike before. */
  readonly afterCommits: number;
  readonly gapMs: number;
  readonly blows: readonly Blow[];
}

/** How a process is started again after its death. */
export interface Life {
  readonly delayMs: number;
  /** As `CONCORDAT_FAILPOINTS`; empty: none. */
  readonly failpoints: string;
  /** Killed so long after its start, in the middle of its recovery; undefined: not. */
  readonly killedAfterMs: number | undefined;
}

/** The faults of one episode. Most episodes lack some kinds: what hides behind one fault shows where it is missing. */
export interface Swarm {
  /** Beside the kills. */
  readonly blows: readonly Blow['kind'][];
  readonly kinds: readonly PartKind[];
  /** The most at once. */
  readonly killsMax: number;
  /** Of ten strikes so many do not wait for the recovery from the one before. */
  readonly hastyInTen: number;
  /** Of ten lives so many are armed with failpoints. */
  readonly armedInTen: number;
}

export const CALM: Life = { delayMs: 0, failpoints: '', killedAfterMs: undefined };

const KINDS: readonly (readonly [PartKind, number])[] = [
  ['application', 10],
  ['sidecar', 6],
  ['coordinator', 3],
  ['database', 2],
];
/** Every strike kills; the rest makes it interesting. */
const BLOWS: readonly (readonly [Blow['kind'], number])[] = [
  ['restart', 2],
  ['freeze', 2],
  ['link', 5],
  ['isolate', 2],
  ['disk', 1],
];

/** Enough that some are in every stage when the next strike comes. */
const COMMITS_BETWEEN_MAX = 15;

export function drawSwarm(roll: Roll): Swarm {
  // Every kind of process dies in every episode: a fault that no death meets is what other tests are for.
  const kinds = KINDS.flatMap(([kind, weight]) =>
    Array.from({ length: weight - roll(Math.ceil(weight / 2)) }, () => kind),
  );
  const blows = BLOWS.flatMap(([kind, weight]) => (roll(3) > 0 ? Array.from({ length: weight }, () => kind) : []));
  return { kinds, blows, killsMax: 3 + roll(5), hastyInTen: roll(4), armedInTen: 4 + roll(6) };
}

/** @param parts every process that can be struck. @param links how many links there are. */
export function drawStrike(roll: Roll, swarm: Swarm, parts: readonly PartName[], links: number): Strike {
  const kills = Array.from(
    { length: 1 + roll(swarm.killsMax) },
    (): Blow => ({ kind: 'kill', part: drawPart(roll, swarm, parts) }),
  );
  const others = swarm.blows.length === 0 ? 0 : roll(3);
  const blows = [...Array.from({ length: others }, () => drawBlow(roll, swarm, parts, links)), ...kills];
  const afterCommits = roll(10) < swarm.hastyInTen ? 0 : 1 + roll(COMMITS_BETWEEN_MAX);
  return { afterCommits, gapMs: 20 + roll(300), blows };
}

function drawPart(roll: Roll, swarm: Swarm, parts: readonly PartName[]): PartName {
  const wanted = swarm.kinds[roll(swarm.kinds.length)];
  const some = parts.filter((part) => part.kind === wanted);
  return some[roll(Math.max(1, some.length))] ?? { kind: 'coordinator', name: 'coordinator' };
}

function drawBlow(roll: Roll, swarm: Swarm, parts: readonly PartName[], links: number): Blow {
  const kind = swarm.blows[roll(swarm.blows.length)] ?? 'freeze';
  const part = drawPart(roll, swarm, parts);
  switch (kind) {
    case 'kill':
    case 'restart':
      return { kind, part };
    case 'freeze':
      return { kind, part, ms: 100 + roll(900), thenKill: roll(2) === 0 };
    case 'link':
      return { kind, index: roll(Math.max(1, links)), fault: drawLinkFault(roll), ms: 100 + roll(1_200) };
    case 'isolate':
      return { kind, part, ms: 100 + roll(900) };
    case 'disk':
      return { kind, trouble: DISK_TROUBLES[roll(DISK_TROUBLES.length)] ?? 'slow', ms: 500 + roll(1_500) };
  }
}

function drawLinkFault(roll: Roll): LinkFault {
  const kind = LINK_FAULTS[roll(LINK_FAULTS.length)] ?? 'refuse';
  switch (kind) {
    case 'latency':
      return { kind, ms: 5 + roll(400) };
    case 'one-way':
      return { kind, lost: roll(2) === 0 ? 'there' : 'back' };
    case 'reset':
      // From within a frame to after some transactions.
      return { kind, bytes: 1 + roll(4) ** 2 * roll(2_000) };
    default:
      return { kind };
  }
}

const COORDINATOR_POINTS: readonly Failpoint[] = [
  'before-decision',
  'decision-durable',
  'first-commit-acknowledged',
  'before-finished',
];
const PARTICIPANT_POINTS = (Object.keys(FAILPOINTS) as Failpoint[]).filter(
  (name) => !COORDINATOR_POINTS.includes(name),
);

export function drawLife(roll: Roll, swarm: Swarm, kind: PartKind): Life {
  const delayMs = roll(5) === 0 ? roll(1_200) : roll(150);
  // The second kill, while it recovers from the first.
  const killedAfterMs = roll(8) === 0 ? roll(kind === 'database' ? 300 : 1_500) : undefined;
  const isArmed = kind !== 'database' && roll(10) < swarm.armedInTen;
  const points = kind === 'coordinator' ? COORDINATOR_POINTS : PARTICIPANT_POINTS;
  const armed = isArmed ? [drawFailpoint(roll, points), ...(roll(4) === 0 ? [drawFailpoint(roll, points)] : [])] : [];
  return { delayMs, killedAfterMs, failpoints: armed.join(',') };
}

function drawFailpoint(roll: Roll, points: readonly Failpoint[]): string {
  // The first passages are recovery's.
  const passage = 1 + (roll(2) === 0 ? roll(3) : roll(25));
  return `${points[roll(points.length)]}=${roll(5) === 0 ? 'stop' : 'crash'}@${passage}`;
}
