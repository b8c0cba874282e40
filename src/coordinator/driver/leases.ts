// Sequence numbers: one counter for the epoch, handed out in blocks, so that a client can number a transaction without asking.
import { LEASE_SIZE } from '../../xa/limits.ts';
import { formatGtrid, type Gtrid, gtridParts, type LogIdentity } from '../../xa/xid.ts';
import type { Owner } from './transaction.ts';

interface LeaseBlock {
  readonly first: number;
  readonly count: number;
}

/** Blocks that a session holds. It asks for a new one when half of the last is used, so that older ones than these are used up. */
const BLOCKS_HELD_MAX = 64;

export class Leases {
  readonly #identity: LogIdentity;
  readonly #epoch: number;
  readonly #ownerOfBlock = new Map<number, Owner>();
  readonly #blocksOf = new Map<Owner, number[]>();
  /** One bit for each id of a held block that a transaction was begun under. */
  readonly #begunOf = new Map<number, Uint8Array>();
  readonly #refusedOf = new Map<number, Uint8Array>();
  #nextBlock = 0;
  #unaryNext = 0;
  #unaryEnd = 0;

  constructor(identity: LogIdentity, epoch: number) {
    this.#identity = identity;
    this.#epoch = epoch;
  }

  /** A block for a session; it is the session's until `release`, or until it has had many more. */
  grant(owner: Owner): LeaseBlock {
    const block = this.#nextBlock;
    this.#nextBlock += 1;
    this.#ownerOfBlock.set(block, owner);
    const held = [...(this.#blocksOf.get(owner) ?? []), block];
    for (const old of held.splice(0, held.length - BLOCKS_HELD_MAX)) {
      this.#drop(old);
    }
    this.#blocksOf.set(owner, held);
    return { first: block * LEASE_SIZE, count: LEASE_SIZE };
  }

  /** The session is over: ids of its blocks that were never used will never be (ids are not reused). */
  release(owner: Owner): void {
    for (const block of this.#blocksOf.get(owner) ?? []) {
      this.#drop(block);
    }
    this.#blocksOf.delete(owner);
  }

  /** A transaction is taken in under this id: by its Begin, or by a report that overtook it. */
  begin(gtrid: Gtrid): void {
    mark(this.#begunOf, gtrid);
  }

  /** Whether a transaction was begun under this id of a live lease. If it is not held any more, it is over, and never begins again (D9). */
  wasBegun(gtrid: Gtrid): boolean {
    return isMarked(this.#begunOf, gtrid);
  }

  /** Its Begin is refused, and its client hears that nothing was begun: no report may begin it either, only the client, once more. */
  refuse(gtrid: Gtrid): void {
    mark(this.#refusedOf, gtrid);
  }

  wasRefused(gtrid: Gtrid): boolean {
    return isMarked(this.#refusedOf, gtrid);
  }

  #drop(block: number): void {
    this.#ownerOfBlock.delete(block);
    this.#begunOf.delete(block);
    this.#refusedOf.delete(block);
  }

  /** The session whose live lease the id is in: such an id counts as live, since a vote may overtake its `Begin`. */
  ownerOf(gtrid: Gtrid): Owner | undefined {
    const { identity, epoch, sequence } = gtridParts(gtrid);
    return identity === this.#identity && epoch === this.#epoch
      ? this.#ownerOfBlock.get(Math.floor(sequence / LEASE_SIZE))
      : undefined;
  }

  /**
   * Whether a transaction of this epoch may have been begun under the id. As long as its lease lives that is known for certain. If it is
   * not held any more, it is over, and none will be begun under it again.
   */
  mayHaveBegun(gtrid: Gtrid): boolean {
    const { identity, epoch, sequence } = gtridParts(gtrid);
    const isIssued = identity === this.#identity && epoch === this.#epoch && sequence < this.#nextBlock * LEASE_SIZE;
    const isToCome = sequence >= this.#unaryNext && sequence < this.#unaryEnd;
    return isIssued && !isToCome && (this.ownerOf(gtrid) === undefined || this.wasBegun(gtrid));
  }

  /** Whether the session that the id was leased to may still begin a transaction under it: its Begin may be on its way. */
  mayBeginYet(gtrid: Gtrid): boolean {
    return this.ownerOf(gtrid) !== undefined && !this.wasBegun(gtrid) && !this.wasRefused(gtrid);
  }

  /** An id for a caller without a session. */
  next(): Gtrid {
    if (this.#unaryNext === this.#unaryEnd) {
      this.#unaryNext = this.#nextBlock * LEASE_SIZE;
      this.#unaryEnd = this.#unaryNext + LEASE_SIZE;
      this.#nextBlock += 1;
    }
    const sequence = this.#unaryNext;
    this.#unaryNext += 1;
    return formatGtrid({ identity: this.#identity, epoch: this.#epoch, sequence });
  }
}

/** One bit for each id of a block. */
function mark(blocks: Map<number, Uint8Array>, gtrid: Gtrid): void {
  const { sequence } = gtridParts(gtrid);
  const block = Math.floor(sequence / LEASE_SIZE);
  const bits = blocks.get(block) ?? new Uint8Array(LEASE_SIZE / 8);
  blocks.set(block, bits);
  const at = sequence % LEASE_SIZE;
  bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
}

function isMarked(blocks: ReadonlyMap<number, Uint8Array>, gtrid: Gtrid): boolean {
  const { sequence } = gtridParts(gtrid);
  const at = sequence % LEASE_SIZE;
  const byte = blocks.get(Math.floor(sequence / LEASE_SIZE))?.[at >> 3] ?? 0;
  return (byte & (1 << (at & 7))) !== 0;
}
