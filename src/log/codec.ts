// Records as lines of text and back. Pure. Decoding is total: a line is a record, or it says why it is none.

import { unreachable } from '../lib/assert.ts';
import { formatEvidence } from '../xa/evidence.ts';
import type { LogRecord, Origin } from './record.ts';
import type { Decoded } from './record-json.ts';
import { decodeRecord } from './record-json.ts';

/** A record and its place in the order of all records of its log; the first is 1. It keeps that number wherever it is stored. */
export interface NumberedRecord {
  readonly sequence: number;
  readonly record: LogRecord;
}

/**
 * The line of a record: its sequence number, a space, and JSON without line breaks. Only known fields are written, in a
 * fixed order, so that equal records have equal lines.
 */
export function encodeLine(numbered: NumberedRecord): string {
  return `${numbered.sequence} ${encodeRecord(numbered.record)}`;
}

function encodeRecord(record: LogRecord): string {
  switch (record.kind) {
    case 'epoch-started': {
      const { kind, epoch, version, wallTime, token } = record;
      const earlier = record.earlier?.map((life) => [life.epoch, life.token]);
      return JSON.stringify({ kind, epoch, version, wallTime, token, earlier });
    }
    case 'life-refused': {
      const { kind, resource, epoch, token, wallTime } = record;
      return JSON.stringify({ kind, resource, epoch, token, wallTime });
    }
    case 'log-adopted': {
      const { kind, lostTo, operator, reason, requestId, wallTime } = record;
      return JSON.stringify({ kind, lostTo, operator, reason, requestId, wallTime });
    }
    case 'resource-registered': {
      const { kind, resource, engine, engineIdentity } = record;
      if (record.accepted === undefined) {
        return JSON.stringify({ kind, resource, engine, engineIdentity });
      }
      const { former, operator, reason, requestId, wallTime } = record.accepted;
      const accepted = { former, operator, reason, requestId, wallTime };
      return JSON.stringify({ kind, resource, engine, engineIdentity, accepted });
    }
    case 'decided': {
      const { kind, gtrid, readOnly, unnamed, requestId } = record;
      const branches = record.branches.map((branch) => [branch.bqual, formatEvidence(branch.evidence)]);
      const origin = record.origin && encodeOrigin(record.origin);
      return JSON.stringify({ kind, gtrid, branches, readOnly, unnamed, origin, requestId });
    }
    case 'finished': {
      return JSON.stringify({ kind: record.kind, gtrid: record.gtrid });
    }
    case 'heuristic': {
      const { kind, gtrid, decision } = record;
      const damage = record.damage.map((one) => [one.bqual, one.kind, one.proof]);
      return JSON.stringify({ kind, gtrid, decision, damage });
    }
    case 'operator-action': {
      const { kind, gtrid, action, bqual, operator, reason, requestId, wallTime } = record;
      return JSON.stringify({ kind, gtrid, action, bqual, operator, reason, requestId, wallTime });
    }
    default:
      return unreachable(record);
  }
}

/** A list without names, since every decision has one. */
function encodeOrigin({ beganAt, decidedAt, whose }: Origin): readonly (number | string)[] {
  const by = whose === undefined ? [] : [whose.application, whose.host, whose.user, whose.session];
  return [Math.trunc(beganAt), Math.trunc(decidedAt), ...by];
}

/** Decodes one line of `encodeLine`. Never throws. */
export function decodeLine(line: string): Decoded<NumberedRecord> {
  const space = line.indexOf(' ');
  const digits = line.slice(0, Math.max(0, space));
  const sequence = Number(digits);
  if (!/^[1-9][0-9]*$/.test(digits) || !Number.isSafeInteger(sequence)) {
    return { kind: 'malformed', why: 'a record line does not start with its sequence number' };
  }
  const decoded = decodeRecord(line.slice(space + 1));
  if (decoded.kind !== 'ok') {
    return { kind: decoded.kind, why: `record ${sequence}: ${decoded.why}` };
  }
  return { kind: 'ok', value: { sequence, record: decoded.value } };
}
