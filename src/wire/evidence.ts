// Evidence as messages have it: absent where there is none.
import type { Evidence__Output as ReadEvidence, Evidence as WireEvidence } from '../gen/concordat/v1/Evidence.ts';
import { type Evidence, NO_EVIDENCE, openingEvidence, parseOpening, rowEvidence } from '../xa/evidence.ts';

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
export function fromWireEvidence(wire: ReadEvidence | null): Evidence | undefined {
  if (wire === null) {
    return NO_EVIDENCE;
  }
  const opening = parseOpening(wire.row ?? wire.opening ?? '');
  return opening === undefined ? undefined : wire.row === undefined ? openingEvidence(opening) : rowEvidence(opening);
}
