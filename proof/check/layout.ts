// How a state of the world is packed: three words for the coordinator, the log and what people did, and two for each branch.
// Small states are the whole point: ten million of them fit into memory, and comparing two is comparing a few integers.

/** A field of a word. */
export interface Field {
  readonly shift: number;
  readonly mask: number;
}

export function get(word: number, field: Field): number {
  return (word >>> field.shift) & field.mask;
}

export function set(word: number, field: Field, value: number): number {
  return (word & ~(field.mask << field.shift)) | (value << field.shift);
}

/** The coordinator's state of the transaction, as its number in `Coordinators`; 0: it holds none. */
export const COORDINATOR = 0;
/** What is durable and what is being written, as its number in `Logs`. */
export const LOG = 1;
export const FLAGS = 2;
const FIRST_BRANCH = 3;

/** `hasTwo`: the branch, which is the only one, has two instances of its participant at the same time. */
export function wordsOf(branches: number, hasTwo: boolean): number {
  return FIRST_BRANCH + 2 * (branches + (hasTwo ? 1 : 0));
}

/** Where the two words of a branch begin: what is known of it, and its messages. */
export function placeOf(branch: number): number {
  return FIRST_BRANCH + 2 * branch;
}

/** Where the two words of an only branch's second instance begin: `Seat`, and the messages from it and to it. */
export const SECOND_SEAT = placeOf(1);

function bits(shift: number, width: number): Field {
  return { shift, mask: 2 ** width - 1 };
}

/** The word `FLAGS`. */
export const Flag = {
  /** How often the coordinator has been restarted. */
  life: bits(0, 2),
  commitSent: bits(2, 1),
  toldCommitted: bits(3, 1),
  toldRolledBack: bits(4, 1),
  toldMixed: bits(5, 1),
  toldHazard: bits(6, 1),
  operatorRolledBack: bits(7, 1),
  operatorVouched: bits(8, 1),
  administratorActed: bits(9, 1),
  participantCrashes: bits(10, 2),
  evicted: bits(12, 1),
  /** How often somebody lost the answer to a prepare or to a one-phase commit. */
  answersLost: bits(13, 2),
  /** How a transaction ended that has left the memory: 0 not known, 1 committed, 2 rolled back. */
  remembered: bits(15, 2),
} as const;

/** The first word of a branch: the participant, its engine, and what the client and the coordinator know of it. */
export const Local = {
  /** What the participant holds or remembers of the branch, as its number in `Participants`; 0: nothing. */
  held: bits(0, 8),
  /** 0: the first instance of the participant, 1: the one that came after its crash. */
  instance: bits(8, 1),
  /** The life of the coordinator that it has attached to. */
  attached: bits(9, 2),
  /** How the work of the first opening stands at the engine, and that of the second, at the second instance. */
  first: bits(11, 3),
  second: bits(14, 3),
  firstByHand: bits(17, 1),
  secondByHand: bits(18, 1),
  claim: bits(19, 3),
  firstHeard: bits(22, 1),
  secondHeard: bits(23, 1),
  /** The engine has forgotten how the branch ended: restored, or too long ago. */
  evidenceLost: bits(24, 1),
  /** A one-phase call of the coordinator has no answer yet, and was sent. */
  callOpen: bits(25, 1),
  /** The same, but its instance was gone before it could be sent. */
  callUnsent: bits(26, 1),
  enlisted: bits(27, 1),
  /** The coordinator has heard of the branch, whichever opening it was. */
  heard: bits(28, 1),
  /** The row that proves the branch's commit was deleted: the log accounts for it. */
  markerGone: bits(29, 1),
  /** What the coordinator remembers of the transaction's end, it knows from this branch's engine alone. */
  provenBy: bits(30, 1),
} as const;

/** Where a branch has two instances at the same time, the first word of the second: of that instance, and of who is away. */
export const Seat = {
  /** As `Local.held` and `Local.attached` are of the first instance. */
  held: bits(0, 8),
  attached: bits(8, 2),
  /** Its stream broke. */
  cut: [bits(10, 1), bits(11, 1)],
  /** It died, and nobody follows it. */
  dead: [bits(12, 1), bits(13, 1)],
} as const;

/** What the engine really holds of one opening. */
export const Work = {
  none: 0,
  active: 1,
  prepared: 2,
  committed: 3,
  rolledBack: 4,
  readOnly: 5,
  /** Its session serves nobody any more, and a PREPARE may still be on its way in it. */
  stray: 6,
  /** The same with a COMMIT. */
  strayCommit: 7,
} as const;

/** What the client names in its commit request, and which opening holds its work. */
export const Claim = {
  none: 0,
  /** By the instance of the first or the second opening. */
  first: 1,
  second: 2,
  /** Without an instance; its work is the first or the second opening. */
  blankFirst: 3,
  blankSecond: 4,
} as const;

export type Opening = 0 | 1;
export const OPENINGS = [0, 1] as const;

/** The opening that holds the client's work of a branch; undefined: the branch is not claimed. */
export function claimedOpening(local: number): Opening | undefined {
  switch (get(local, Local.claim)) {
    case Claim.none:
      return undefined;
    case Claim.first:
    case Claim.blankFirst:
      return 0;
    default:
      return 1;
  }
}

export function workOf(local: number, opening: Opening): number {
  return get(local, opening === 0 ? Local.first : Local.second);
}

export function isByHand(local: number, opening: Opening): boolean {
  return get(local, opening === 0 ? Local.firstByHand : Local.secondByHand) === 1;
}

/** Somebody has ended work of this branch by hand, whichever opening it was. */
export function isTouched(local: number): boolean {
  return isByHand(local, 0) || isByHand(local, 1);
}

/** Whether any first statement has ever reached a participant of the branch. */
export function isOpened(local: number): boolean {
  return workOf(local, 0) !== Work.none || workOf(local, 1) !== Work.none;
}
