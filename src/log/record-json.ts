// A record from JSON. Pure and total: what is not a record says why.

import { unreachable } from '../lib/assert.ts';
import { parseEvidence } from '../xa/evidence.ts';
import { type Bqual, parseBqual, parseGtrid, parseResourceName } from '../xa/xid.ts';
import type { Acceptance, Damage, DecidedBranch, LifeName, LogRecord, Origin, Whose } from './record.ts';

export type Decoded<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** Not wrong, but beyond this version: the log must be opened by the Concordat that wrote it, or a newer one. */
  | { readonly kind: 'newer'; readonly why: string }
  | { readonly kind: 'malformed'; readonly why: string };

/** The fields of every kind. An unknown field is a newer writer's, and what it means cannot be guessed. */
const FIELDS: Readonly<Record<LogRecord['kind'], readonly string[]>> = {
  'epoch-started': ['kind', 'epoch', 'version', 'wallTime', 'token', 'earlier'],
  'life-refused': ['kind', 'resource', 'epoch', 'token', 'wallTime'],
  'log-adopted': ['kind', 'lostTo', 'operator', 'reason', 'requestId', 'wallTime'],
  'resource-registered': ['kind', 'resource', 'engine', 'engineIdentity', 'accepted'],
  decided: ['kind', 'gtrid', 'branches', 'readOnly', 'unnamed', 'origin', 'requestId'],
  finished: ['kind', 'gtrid'],
  heuristic: ['kind', 'gtrid', 'decision', 'damage'],
  'operator-action': ['kind', 'gtrid', 'action', 'bqual', 'operator', 'reason', 'requestId', 'wallTime'],
};

type Fields = Readonly<Record<string, unknown>>;

/** Thrown and caught inside this file only, so that the field checks read as straight lines. */
class Refused extends Error {
  readonly kind: 'newer' | 'malformed';

  constructor(kind: 'newer' | 'malformed', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Decodes the JSON that `encodeLine` writes. Never throws. */
export function decodeRecord(json: string): Decoded<LogRecord> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return { kind: 'malformed', why: 'not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { kind: 'malformed', why: 'not a JSON object' };
  }
  const fields = value as Fields;
  const kind = fields['kind'];
  if (typeof kind !== 'string') {
    return { kind: 'malformed', why: 'no record kind' };
  }
  if (!Object.hasOwn(FIELDS, kind)) {
    return { kind: 'newer', why: `the record kind ${JSON.stringify(kind.slice(0, 40))} is not known` };
  }
  const known = FIELDS[kind as LogRecord['kind']];
  const unknownField = Object.keys(fields).find((name) => !known.includes(name));
  if (unknownField !== undefined) {
    return { kind: 'newer', why: `the field ${JSON.stringify(unknownField.slice(0, 40))} of a ${kind} is not known` };
  }
  try {
    return { kind: 'ok', value: readFields(kind as LogRecord['kind'], fields) };
  } catch (error) {
    if (error instanceof Refused) {
      return { kind: error.kind, why: `${kind}: ${error.message}` };
    }
    throw error;
  }
}

function readFields(kind: LogRecord['kind'], fields: Fields): LogRecord {
  switch (kind) {
    case 'epoch-started': {
      const started = {
        kind,
        epoch: count(fields, 'epoch'),
        version: text(fields, 'version'),
        wallTime: wallTime(fields),
      };
      return fields['token'] === undefined
        ? started
        : { ...started, token: text(fields, 'token'), earlier: list(fields, 'earlier').map(lifeName) };
    }
    case 'life-refused':
      return {
        kind,
        resource: resource(fields),
        epoch: count(fields, 'epoch'),
        token: text(fields, 'token'),
        wallTime: wallTime(fields),
      };
    case 'log-adopted':
      return {
        kind,
        lostTo: count(fields, 'lostTo'),
        operator: text(fields, 'operator'),
        reason: text(fields, 'reason'),
        requestId: text(fields, 'requestId'),
        wallTime: wallTime(fields),
      };
    case 'resource-registered':
      return {
        kind,
        resource: resource(fields),
        engine: text(fields, 'engine'),
        engineIdentity: text(fields, 'engineIdentity'),
        ...(fields['accepted'] === undefined ? {} : { accepted: acceptance(fields['accepted']) }),
      };
    case 'decided':
      return {
        kind,
        gtrid: gtrid(fields),
        branches: list(fields, 'branches').map(decidedBranch),
        ...names(fields, 'readOnly'),
        ...names(fields, 'unnamed'),
        ...(fields['origin'] === undefined ? {} : { origin: origin(list(fields, 'origin')) }),
        requestId: text(fields, 'requestId'),
      };
    case 'finished':
      return { kind, gtrid: gtrid(fields) };
    case 'heuristic':
      return {
        kind,
        gtrid: gtrid(fields),
        decision: oneOf(fields['decision'], ['commit', 'rollback'], 'decision'),
        damage: list(fields, 'damage').map(damageOf),
      };
    case 'operator-action': {
      const action = {
        kind,
        gtrid: gtrid(fields),
        action: oneOf(
          fields['action'],
          ['rollback', 'commit', 'branch-committed', 'branch-rolled-back', 'forget'],
          'action',
        ),
        operator: text(fields, 'operator'),
        reason: text(fields, 'reason'),
        requestId: text(fields, 'requestId'),
        wallTime: wallTime(fields),
      } as const;
      return fields['bqual'] === undefined ? action : { ...action, bqual: bqual(fields['bqual']) };
    }
    default:
      return unreachable(kind);
  }
}

const ACCEPTANCE_FIELDS = ['former', 'operator', 'reason', 'requestId', 'wallTime'];

function acceptance(value: unknown): Acceptance {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refused('malformed', 'accepted is not an object');
  }
  const fields = value as Fields;
  const unknown = Object.keys(fields).find((name) => !ACCEPTANCE_FIELDS.includes(name));
  if (unknown !== undefined) {
    throw new Refused('newer', `the field ${JSON.stringify(unknown.slice(0, 40))} of accepted is not known`);
  }
  return {
    former: text(fields, 'former'),
    operator: text(fields, 'operator'),
    reason: text(fields, 'reason'),
    requestId: text(fields, 'requestId'),
    wallTime: wallTime(fields),
  };
}

function origin([beganAt, decidedAt, ...by]: readonly unknown[]): Origin {
  if (!Number.isSafeInteger(beganAt) || !Number.isSafeInteger(decidedAt)) {
    throw new Refused('malformed', 'origin does not begin with two times');
  }
  const times = { beganAt: beganAt as number, decidedAt: decidedAt as number };
  if (by.length === 0) {
    return times;
  }
  const [application, host, user, session, ...rest] = by;
  noneLeft(rest, 'origin');
  const texts = [application, host, user, session];
  if (!texts.every((each) => typeof each === 'string')) {
    throw new Refused('malformed', 'origin does not name an application, a host, a user and a session');
  }
  return { ...times, whose: { application, host, user, session } as Whose };
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') {
    throw new Refused('malformed', `${name} is not a text`);
  }
  return value;
}

function count(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new Refused('malformed', `${name} is not a whole number`);
  }
  return value;
}

/** Milliseconds, for people; a clock may give fractions, and one that is set before 1970 is nobody's damage. */
function wallTime(fields: Fields): number {
  const value = fields['wallTime'];
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new Refused('malformed', 'wallTime is not a number');
  }
  return value;
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) {
    throw new Refused('malformed', `${name} is not a list`);
  }
  return value;
}

/** A list of branches that is left out when it is empty. */
function names<Name extends string>(fields: Fields, name: Name): { readonly [N in Name]?: readonly Bqual[] } {
  return fields[name] === undefined ? {} : ({ [name]: list(fields, name).map(bqual) } as { [N in Name]: Bqual[] });
}

function gtrid(fields: Fields) {
  const parsed = parseGtrid(text(fields, 'gtrid'));
  if (parsed === undefined) {
    throw new Refused('malformed', 'gtrid is outside its grammar');
  }
  return parsed;
}

function resource(fields: Fields) {
  const parsed = parseResourceName(text(fields, 'resource'));
  if (parsed === undefined) {
    throw new Refused('malformed', 'resource is outside its grammar');
  }
  return parsed;
}

function bqual(value: unknown) {
  const parsed = typeof value === 'string' ? parseBqual(value) : undefined;
  if (parsed === undefined) {
    throw new Refused('malformed', 'bqual is outside its grammar');
  }
  return parsed;
}

/** A word that is not known yet is a newer writer's: the chain proves that it is what was written. */
function oneOf<T extends string>(value: unknown, allowed: readonly T[], name: string): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) {
    throw new Refused(typeof value === 'string' ? 'newer' : 'malformed', `${name} is none of ${allowed.join(', ')}`);
  }
  return found;
}

function lifeName(value: unknown): LifeName {
  const [epoch, token, ...rest] = Array.isArray(value) ? value : [];
  if (!Number.isSafeInteger(epoch) || typeof token !== 'string') {
    throw new Refused('malformed', 'a life is not a pair of epoch and token');
  }
  noneLeft(rest, 'life');
  return { epoch, token };
}

function decidedBranch(value: unknown): DecidedBranch {
  const [name, text, ...rest] = Array.isArray(value) ? value : [];
  const evidence = typeof text === 'string' ? parseEvidence(text) : undefined;
  if (evidence === undefined) {
    throw new Refused('malformed', 'a branch is not a pair of bqual and evidence');
  }
  noneLeft(rest, 'branch');
  return { bqual: bqual(name), evidence };
}

function damageOf(value: unknown): Damage {
  const [name, kind, proof, ...rest] = Array.isArray(value) ? value : [];
  if (typeof proof !== 'string') {
    throw new Refused('malformed', 'a damage is not bqual, kind and proof');
  }
  noneLeft(rest, 'damage');
  return { bqual: bqual(name), kind: oneOf(kind, ['rolled-back', 'committed', 'unproven'], 'damage'), proof };
}

function noneLeft(rest: readonly unknown[], name: string): void {
  if (rest.length > 0) {
    throw new Refused('newer', `a ${name} has more parts than are known`);
  }
}
