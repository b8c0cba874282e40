// What the coordinator says on the attach stream, decoded once by a total function.
import type { BranchKey__Output } from '../../gen/concordat/v1/BranchKey.ts';
import type { CoordinatorMessage__Output } from '../../gen/concordat/v1/CoordinatorMessage.ts';
import type { FinishVerb__Output as WireVerb } from '../../gen/concordat/v1/FinishVerb.ts';
import { fromEnum } from '../../wire/enums.ts';
import { fromWireEvidence } from '../../wire/evidence.ts';
import { requireProtocol } from '../../wire/protocol.ts';
import { fromWireError } from '../../wire/status.ts';
import type { CoordinatorError } from '../../xa/errors.ts';
import { type EvidenceRow, parseOpening } from '../../xa/evidence.ts';
import { HEARTBEAT_MS, RECONCILE_MS } from '../../xa/times.ts';
import type { Evidence } from '../../xa/vocabulary.ts';
import { EPOCH_MAX, type LogIdentity, parseBqual, parseGtrid, parseLogIdentity, type Xid } from '../../xa/xid.ts';
import type { FinishVerb } from '../engine/call.ts';

export interface Welcome {
  readonly identity: LogIdentity;
  readonly epoch: number;
  readonly token: string;
  readonly heartbeatMs: number;
  readonly reconcileMs: number;
}

export type Command =
  | { readonly kind: 'welcome'; readonly welcome: Welcome }
  | { readonly kind: 'prepare'; readonly xid: Xid }
  | {
      readonly kind: 'finish';
      readonly xid: Xid;
      readonly verb: FinishVerb;
      readonly evidence: Evidence;
      /** Of a commit in one phase: who opened the branch; empty: nobody knows. */
      readonly instance: string;
    }
  | { readonly kind: 'forget'; readonly rows: readonly EvidenceRow[] }
  | { readonly kind: 'heartbeat' }
  | { readonly kind: 'scan'; readonly id: number }
  | { readonly kind: 'probe'; readonly id: number; readonly xid: Xid; readonly evidence: Evidence }
  | { readonly kind: 'refused'; readonly error: CoordinatorError }
  | { readonly kind: 'admitted' }
  | { readonly kind: 'show-token'; readonly id: number; readonly token: string }
  | { readonly kind: 'read-token'; readonly id: number; readonly instance: string }
  /** Not in the grammar, or of a newer protocol: logged and left alone. */
  | { readonly kind: 'malformed'; readonly detail: string };

const INTERVAL_MIN_MS = 10;
const INTERVAL_MAX_MS = 60_000;
/** What goes into a table of the database. */
const LIFE_TOKEN = /^[a-z0-9]{0,16}$/;

const VERBS = {
  FINISH_VERB_UNSPECIFIED: undefined,
  FINISH_VERB_COMMIT: 'commit',
  FINISH_VERB_ROLLBACK: 'rollback',
  FINISH_VERB_COMMIT_ONE_PHASE: 'commit-one-phase',
} as const satisfies Record<WireVerb, FinishVerb | undefined>;

export function decodeCommand(message: CoordinatorMessage__Output): Command {
  if (message.welcome) {
    return decodeWelcome(message.welcome);
  }
  if (message.prepare) {
    const xid = xidOf(message.prepare);
    return xid === undefined ? malformed('prepare') : { kind: 'prepare', xid };
  }
  if (message.finish) {
    const xid = xidOf(message.finish);
    const verb = fromEnum<FinishVerb>(VERBS, message.finish.verb);
    const evidence = fromWireEvidence(message.finish.evidence);
    return xid === undefined || verb === undefined || evidence === undefined
      ? malformed('finish')
      : { kind: 'finish', xid, verb, evidence, instance: message.finish.instance };
  }
  if (message.forget) {
    return { kind: 'forget', rows: message.forget.branches.flatMap((key) => rowOfKey(key) ?? []) };
  }
  if (message.heartbeat) {
    return { kind: 'heartbeat' };
  }
  if (message.scan) {
    return { kind: 'scan', id: message.scan.id };
  }
  if (message.probe) {
    const xid = xidOf(message.probe);
    const evidence = fromWireEvidence(message.probe.evidence);
    const { id } = message.probe;
    return xid === undefined || evidence === undefined ? malformed('probe') : { kind: 'probe', id, xid, evidence };
  }
  if (message.refused) {
    return { kind: 'refused', error: fromWireError(message.refused) };
  }
  if (message.admitted) {
    return { kind: 'admitted' };
  }
  if (message.showToken) {
    return { kind: 'show-token', id: message.showToken.id, token: message.showToken.token };
  }
  if (message.readToken) {
    return { kind: 'read-token', id: message.readToken.id, instance: message.readToken.instance };
  }
  return malformed('a message without a known body');
}

function decodeWelcome(welcome: NonNullable<CoordinatorMessage__Output['welcome']>): Command {
  try {
    requireProtocol('participant', welcome.protocol);
  } catch (error) {
    return { kind: 'refused', error: error as CoordinatorError };
  }
  const identity = parseLogIdentity(welcome.logIdentity);
  const epoch = Number(welcome.epoch);
  if (identity === undefined || !Number.isSafeInteger(epoch) || epoch < 0 || epoch > EPOCH_MAX) {
    return malformed('welcome');
  }
  const heartbeatMs = interval(welcome.heartbeatIntervalMs, HEARTBEAT_MS);
  const reconcileMs = interval(welcome.reconcileIntervalMs, RECONCILE_MS);
  const token = welcome.lifeToken;
  if (!LIFE_TOKEN.test(token)) {
    return malformed('welcome');
  }
  return { kind: 'welcome', welcome: { identity, epoch, token, heartbeatMs, reconcileMs } };
}

function interval(wanted: number, standard: number): number {
  return wanted === 0 ? standard : Math.min(INTERVAL_MAX_MS, Math.max(INTERVAL_MIN_MS, wanted));
}

function rowOfKey(key: BranchKey__Output): EvidenceRow | undefined {
  const xid = xidOf(key);
  const opening = parseOpening(key.evidence?.row ?? '');
  return xid === undefined || opening === undefined ? undefined : { ...xid, opening };
}

function xidOf(key: Pick<BranchKey__Output, 'gtrid' | 'bqual'>): Xid | undefined {
  const gtrid = parseGtrid(key.gtrid);
  const bqual = parseBqual(key.bqual);
  return gtrid === undefined || bqual === undefined ? undefined : { gtrid, bqual };
}

function malformed(detail: string): Command {
  return { kind: 'malformed', detail };
}
