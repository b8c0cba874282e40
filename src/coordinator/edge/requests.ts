// Requests as they come over the wire, decoded once: total functions that end in trusted types or in FIELD_INVALID.
import type { Acknowledgement__Output as WireAcknowledgement } from '../../gen/concordat/v1/Acknowledgement.ts';
import type { BranchRef__Output as WireBranchRef } from '../../gen/concordat/v1/BranchRef.ts';
import { fromEnum } from '../../wire/enums.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { BRANCHES_MAX, REASON_CHARS_MAX, REQUEST_ID_BYTES_MAX, TRANSACTION_TIMEOUT_MAX_MS } from '../../xa/limits.ts';
import type { Acknowledgement } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, parseBqual, parseGtrid, parseResourceName, type ResourceName } from '../../xa/xid.ts';
import type { ClaimedBranch } from '../engine/event.ts';

const PRINTABLE = /^[\x20-\x7e]*$/;
const INSTANCE = /^[a-z0-9-]{0,64}$/;
/** The last is what bytes that are no UTF-8 become on their way in. */
const CONTROL = /\p{Cc}|\p{Cs}|[\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd]/u;

const CONTROLS = new RegExp(CONTROL.source, 'gu');

export function invalid(field: string, expected: string): CoordinatorError {
  return new CoordinatorError('FIELD_INVALID', `${field} ${expected}`, { metadata: { field } });
}

export function decodeGtrid(text: string): Gtrid {
  const gtrid = parseGtrid(text);
  if (gtrid === undefined) {
    throw invalid('gtrid', 'must be <identity>.<epoch>.<sequence> in lower-case base 36, as Begin gave it');
  }
  return gtrid;
}

export function decodeBqual(text: string): Bqual {
  const bqual = parseBqual(text);
  if (bqual === undefined) {
    throw invalid('bqual', 'must be <resource> or <resource>.<n>, with n from 1 to 9999');
  }
  return bqual;
}

export function decodeResource(text: string): ResourceName {
  const name = parseResourceName(text);
  if (name === undefined) {
    throw invalid('resource', 'must be a lower-case letter and up to 29 of a-z, 0-9 and -');
  }
  return name;
}

export function decodeRequestId(text: string): string {
  if (text.length > REQUEST_ID_BYTES_MAX || !PRINTABLE.test(text)) {
    throw invalid('request_id', `must be at most ${REQUEST_ID_BYTES_MAX} printable ASCII characters`);
  }
  return text;
}

/** 0 means the default; the field cannot carry a negative number or a fraction. */
export function decodeTimeoutMs(value: number, defaultMs: number): number {
  if (value > TRANSACTION_TIMEOUT_MAX_MS) {
    throw invalid('timeout_ms', `must be at most ${TRANSACTION_TIMEOUT_MAX_MS} (24 hours), or 0 for the default`);
  }
  return value === 0 ? defaultMs : value;
}

/** A branch that is named twice is one branch: an instance that one of them leaves out is not another instance. */
export function decodeClaimed(branches: readonly WireBranchRef[]): readonly ClaimedBranch[] {
  if (branches.length > BRANCHES_MAX) {
    throw new CoordinatorError(
      'LIMIT_BRANCHES',
      `a transaction has at most ${BRANCHES_MAX} branches, not ${branches.length}`,
    );
  }
  const claimed = new Map<string, ClaimedBranch>();
  for (const branch of branches) {
    const [bqual, instance] = [decodeBqual(branch.bqual), decodeInstance(branch.instance) || undefined];
    const known = claimed.get(bqual);
    if (known !== undefined && known.instance !== undefined && instance !== undefined && known.instance !== instance) {
      throw invalid(
        'branches',
        `name ${bqual} at the two instances ${known.instance} and ${instance}: a branch has one`,
      );
    }
    const asked = branch.asked || known?.asked === true;
    claimed.set(bqual, { bqual, instance: instance ?? known?.instance, asked });
  }
  return [...claimed.values()];
}

export function decodeInstance(text: string): string {
  if (!INSTANCE.test(text)) {
    throw invalid('instance', 'must be what the participant told: at most 64 of a-z, 0-9 and -');
  }
  return text;
}

const ACKNOWLEDGEMENTS = {
  ACKNOWLEDGEMENT_UNSPECIFIED: 'applied',
  ACKNOWLEDGEMENT_APPLIED: 'applied',
  ACKNOWLEDGEMENT_DECIDED: 'decided',
} as const satisfies Record<WireAcknowledgement, Acknowledgement>;

/** @param value an enum name, or a number that this version does not know. */
export function decodeAcknowledgement(value: string | number): Acknowledgement {
  const acknowledgement = fromEnum<Acknowledgement>(ACKNOWLEDGEMENTS, value);
  if (acknowledgement === undefined) {
    throw invalid('acknowledgement', 'must be APPLIED or DECIDED');
  }
  return acknowledgement;
}

/** Words of a participant or an engine, for people and other programs: what could forge a terminal or a line is written out. */
export function escaped(text: string, charsMax = REASON_CHARS_MAX): string {
  return text
    .slice(0, charsMax)
    .replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .slice(0, charsMax);
}

/** Words for a person who looks later: printable, so that no terminal or log line can be forged with them. */
export function decodeText(field: string, text: string, charsMin = 0, charsMax = REASON_CHARS_MAX): string {
  const length = [...text].length;
  if (length < charsMin || length > charsMax || CONTROL.test(text)) {
    throw invalid(field, `must be ${charsMin} to ${charsMax} printable characters`);
  }
  return text;
}
