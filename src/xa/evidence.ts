// What proves how a branch ended: a row that was written within it. Each opening of a branch has a mark of its own, so that two
// openings of one name are never taken for one another. Made and parsed here and nowhere else.
import type { Brand } from '../lib/brand.ts';
import type { Random } from '../lib/random.ts';
import { formatXid, parseXid, type Xid } from './xid.ts';

/** 12 characters of `[a-z2-7]`, drawn anew whenever a participant opens a branch, whatever its name: 60 random bits. */
export type Opening = Brand<string, 'Opening'>;

export const OPENING_LENGTH = 12;

const OPENING = /^[a-z2-7]{12}$/;
const ROW = 'row:';
const MARK = 'opening:';

/** What an engine can be asked about later to prove how a branch ended. */
export type Evidence =
  /** Of a branch that wrote: its row is committed with it, and if the row is not there, the branch is not committed. */
  | { readonly kind: 'row'; readonly opening: Opening }
  /** Only tells which opening is meant. A row that is there proves its commit; that none is there proves nothing. */
  | { readonly kind: 'opening'; readonly opening: Opening }
  /** It is not known which opening is meant, so that nothing can be proven. */
  | { readonly kind: 'none' };

export const NO_EVIDENCE: Evidence = Object.freeze({ kind: 'none' });

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

export function rowEvidence(opening: Opening): Evidence {
  return { kind: 'row', opening };
}

export function openingEvidence(opening: Opening): Evidence {
  return { kind: 'opening', opening };
}

/** Undefined: there is no evidence. */
export function openingOf(evidence: Evidence): Opening | undefined {
  return evidence.kind === 'none' ? undefined : evidence.opening;
}

/** The same evidence where its row may have been deleted since. */
export function withoutRow(evidence: Evidence): Evidence {
  return evidence.kind === 'row' ? openingEvidence(evidence.opening) : evidence;
}

/** Of the same opening, and it proves the same. */
export function isSameEvidence(one: Evidence, other: Evidence): boolean {
  return one.kind === other.kind && openingOf(one) === openingOf(other);
}

/** Both are known, and they are of two openings. */
export function areOfTwo(one: Evidence, other: Evidence): boolean {
  return one.kind !== 'none' && other.kind !== 'none' && one.opening !== other.opening;
}

/** What is known of one opening: `one` where it tells anything. */
export function eitherEvidence(one: Evidence, other: Evidence): Evidence {
  return one.kind === 'none' ? other : one;
}

/** `row:<opening>`, `opening:<opening>` or, for none, nothing: how records of the log and people's tables have it. */
export function formatEvidence(evidence: Evidence): string {
  switch (evidence.kind) {
    case 'row':
      return ROW + evidence.opening;
    case 'opening':
      return MARK + evidence.opening;
    case 'none':
      return '';
  }
}

/** Undefined: not in the grammar. */
export function parseEvidence(text: string): Evidence | undefined {
  if (text === '') {
    return NO_EVIDENCE;
  }
  const isRow = text.startsWith(ROW);
  const opening = isRow || text.startsWith(MARK) ? parseOpening(text.slice((isRow ? ROW : MARK).length)) : undefined;
  return opening === undefined ? undefined : { kind: isRow ? 'row' : 'opening', opening };
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
