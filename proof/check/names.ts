// The names in the checked transaction: branches a, b and c, two instances of each participant, and evidence of each opening.
import { NO_EVIDENCE, OPENING_LENGTH, type Opening, rowEvidence } from '../../src/xa/evidence.ts';
import type { Evidence, Reason } from '../../src/xa/vocabulary.ts';
import { type Bqual, formatBqual, type Gtrid, type LogIdentity, type ResourceName } from '../../src/xa/xid.ts';

export const IDENTITY = 'abcdefghij' as LogIdentity;
/** Of the first life, and of the only transaction. */
export const GTRID = 'abcdefghij.1.1' as Gtrid;
export const REASON: Reason = { code: 'TXN_ROLLED_BACK', message: 'as the checker says', retryable: true };
export const PROOF = 'its engine proves it';

export const NAMES: readonly string[] = ['a', 'b', 'c'];

const INSTANCES = NAMES.map((name) => [`${name}-1`, `${name}-2`]);

export function bqualOf(branch: number): Bqual {
  return formatBqual((NAMES[branch] ?? '') as ResourceName);
}

export function branchOf(bqual: string): number {
  return NAMES.indexOf(bqual);
}

/** `instance`: 0 or 1. */
export function instanceOf(branch: number, instance: number): string {
  return INSTANCES[branch]?.[instance] ?? '';
}

/** The number of an instance: 0 or 1; -1: none is named. */
export function instanceNumber(instance: string | undefined): number {
  return instance === undefined ? -1 : Number(instance.slice(2)) - 1;
}

/** `number`: 0 for none, 1 or 2 for the opening. */
export function evidenceOf(branch: number, number: number): Evidence {
  return number === 0 ? NO_EVIDENCE : rowEvidence(markOf(NAMES[branch] ?? '', number));
}

/** The mark of an opening, in the alphabet of such marks: they have no digit 1. */
function markOf(name: string, number: number): Opening {
  return `${name.repeat(OPENING_LENGTH - 1)}${number + 1}` as string as Opening;
}

export function evidenceNumber(evidence: Evidence): number {
  return evidence.kind === 'none' ? 0 : Number(evidence.opening.at(-1)) - 1;
}

/** The same data with the branches renamed: `order[i]` is the new number of branch i. */
export function rename<T>(value: T, order: readonly number[]): T {
  const other = (name: string): string => NAMES[order[branchOf(name)] ?? 0] ?? '';
  return JSON.parse(JSON.stringify(value), (_key, field: unknown) =>
    typeof field === 'string' && /^(?:[abc](?:-[12])?|([abc])\1{10}[23])$/.test(field)
      ? field.replace(/[abc]/g, (name) => other(name))
      : field,
  ) as T;
}
