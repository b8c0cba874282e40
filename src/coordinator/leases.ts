// Sequence numbers: one counter for the epoch, handed out in blocks, so that a client can number a transaction without asking.
import { LEASE_SIZE } from '../xa/limits.ts';
import { formatGtrid, type Gtrid, gtridParts, type LogIdentity } from '../xa/xid.ts';
import type { Owner } from './transaction.ts';

export interface LeaseBlock {
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
      this.#ownerOfBlock.delete(old);
    }
    this.#blocksOf.set(owner, held);
    return { first: block * LEASE_SIZE, count: LEASE_SIZE };
  }

  /** The session is over: ids of its blocks that were never used will never be (ids are not reused). */
  release(owner: Owner): void {
    for (const block of this.#blocksOf.get(owner) ?? []) {
      this.#ownerOfBlock.delete(block);
    }
    this.#blocksOf.delete(owner);
  }

  /** The session whose live lease the id is in: such an id counts as live, since a vote may overtake its `Begin`. */
  ownerOf(gtrid: Gtrid): Owner | undefined {
    const { identity, epoch, sequence } = gtridParts(gtrid);
    return identity === this.#identity && epoch === this.#epoch
      ? this.#ownerOfBlock.get(Math.floor(sequence / LEASE_SIZE))
      : undefined;
  }

  /** Whether the id is of a block that was handed out in this epoch. */
  isIssued(gtrid: Gtrid): boolean {
    const { identity, epoch, sequence } = gtridParts(gtrid);
    return identity === this.#identity && epoch === this.#epoch && sequence < this.#nextBlock * LEASE_SIZE;
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
