// What proves how a branch ended: a row that was written within it. Each opening of a branch has a mark of its own, so that two
// openings of one name are never taken for one another. Made and parsed here and nowhere else.
import type { Brand } from '../lib/brand.ts';
import type { Random } from '../lib/random.ts';
import type { Evidence } from './vocabulary.ts';
import { formatXid, parseXid, type Xid } from './xid.ts';

/** 12 characters of `[a-z2-7]`, drawn anew whenever a participant opens a branch, whatever its name: 60 random bits. */
export type Opening = Brand<string, 'Opening'>;

export const OPENING_LENGTH = 12;

const OPENING = /^[a-z2-7]{12}$/;
const ROW = 'row:';
const MARK = 'opening:';

/** The key of an evidence row: committed with its branch, gone without it. */
export interface EvidenceRow extends Xid {
  readonly opening: Opening;
}

export function newOpening(random: Random): Opening {
  return random.base32(OPENING_LENGTH) as string as Opening;
}

export function parseOpening(text: string): Opening | undefined {
  return OPENING.test(text) ? (text as string as Opening) : undefined;
}

/** `row:<opening>`, of a branch that wrote: its row is committed with it, and if the row is not there, the branch is not committed. */
export function rowEvidence(opening: Opening): Evidence {
  return ROW + opening;
}

/** `opening:<opening>` tells which opening is meant. A row that is there proves its commit; that none is there proves nothing. */
export function openingEvidence(opening: Opening): Evidence {
  return MARK + opening;
}

/** Undefined: no evidence, or an older version's: nothing may be concluded from it. */
export function openingOf(evidence: Evidence): Opening | undefined {
  const prefix = [ROW, MARK].find((known) => evidence.startsWith(known));
  return prefix === undefined ? undefined : parseOpening(evidence.slice(prefix.length));
}

/** Whether a row must be there if the branch was committed. */
export function isRowExpected(evidence: Evidence): boolean {
  return evidence.startsWith(ROW) && openingOf(evidence) !== undefined;
}

/** The same evidence where its row may have been deleted since. */
export function withoutRow(evidence: Evidence): Evidence {
  const opening = openingOf(evidence);
  return opening === undefined ? '' : openingEvidence(opening);
}

/** Of the same opening, and it proves the same. */
export function isSameEvidence(one: Evidence, other: Evidence): boolean {
  return one === other;
}

/** What is known of one opening: `one` where it tells anything. */
export function eitherEvidence(one: Evidence, other: Evidence): Evidence {
  return openingOf(one) === undefined ? other : one;
}

/** Both are known, and they are of two openings. */
export function areOfTwo(one: Evidence, other: Evidence): boolean {
  return one !== '' && other !== '' && (openingOf(one) ?? one) !== (openingOf(other) ?? other);
}

/** The row that evidence of this branch speaks of; undefined: as `openingOf`. */
export function rowOf({ gtrid, bqual }: Xid, evidence: Evidence): EvidenceRow | undefined {
  const opening = openingOf(evidence);
  return opening === undefined ? undefined : { gtrid, bqual, opening };
}

/** `<gtrid>:<bqual>:<opening>`: one string for one opening of a branch. */
export function formatRow(row: EvidenceRow): string {
  return `${formatXid(row)}:${row.opening}`;
}

/** Undefined: not in the grammar. */
export function parseRow(text: string): EvidenceRow | undefined {
  const colon = text.lastIndexOf(':');
  const xid = parseXid(text.slice(0, Math.max(0, colon)));
  const opening = parseOpening(text.slice(colon + 1));
  return xid === undefined || opening === undefined ? undefined : { ...xid, opening };
}
