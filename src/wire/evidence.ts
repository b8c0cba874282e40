// Evidence as messages have it: absent where there is none.
import type { Evidence as WireEvidence } from '../gen/concordat/v1/Evidence.ts';
import {
  type Evidence,
  formatEvidence,
  NO_EVIDENCE,
  openingEvidence,
  parseOpening,
  rowEvidence,
} from '../xa/evidence.ts';

export function toWireEvidence(evidence: Evidence): WireEvidence | null {
  switch (evidence.kind) {
    case 'row':
      return { row: evidence.opening };
    case 'opening':
      return { opening: evidence.opening };
    case 'none':
      return null;
  }
}

/** Undefined: not in the grammar, or of a kind that only a newer protocol has: nothing may be concluded from it. */
export function fromWireEvidence(wire: WireEvidence | null | undefined): Evidence | undefined {
  if (wire === null || wire === undefined) {
    return NO_EVIDENCE;
  }
  const opening = parseOpening(wire.row ?? wire.opening ?? '');
  return opening === undefined ? undefined : wire.row === undefined ? openingEvidence(opening) : rowEvidence(opening);
}

/** For people; empty: there is none that this version knows. */
export function wireEvidenceText(wire: WireEvidence | null | undefined): string {
  return formatEvidence(fromWireEvidence(wire) ?? NO_EVIDENCE);
}
