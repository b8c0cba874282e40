// Who is asked and told: to which instance of a branch's participant a call goes, when another one is given it, what silence means, and
// whose answers count. As pure as `step`: calls/ knows who is attached and how long a call has waited, and carries out what is said here.
// Safety does not depend on the times (D10): the checker asks with every one of them.
import { ASKED_VOTE_MS, CALL_ANSWER_MS, CALL_DOUBLED_MS, REROUTE_MS, UNTOLD_MS } from '../../xa/times.ts';
import type { Evidence, Reason } from '../../xa/vocabulary.ts';
import type { Bqual } from '../../xa/xid.ts';
import type { Event, Verb } from './event.ts';
import { isOwnDamage } from './rolling-back.ts';
import type { State } from './state.ts';
import { step } from './step.ts';

export interface RoutedCall {
  readonly verb: Verb | 'prepare';
  readonly bqual: Bqual;
  /** The instance that holds the branch; undefined: not known. */
  readonly instance: string | undefined;
  readonly evidence: Evidence;
}

/** Who of the resource's participant is attached. */
interface Attendance {
  readonly isHolderThere: boolean;
  /** The newest sidecar: it finishes what other instances left. */
  readonly sidecar: string | undefined;
}

export type Route =
  | { readonly kind: 'to'; readonly instance: string }
  | { readonly kind: 'waits' }
  /** It can be told to nobody, and is over: the engine says what that means. */
  | { readonly kind: 'untold'; readonly reason: Reason };

const WAITS: Route = { kind: 'waits' };

/** `waitedMs`: since when it was wanted, or since the instance that had it is gone. */
export function routeOf(call: RoutedCall, { isHolderThere, sidecar }: Attendance, waitedMs: number): Route {
  const { verb, bqual, instance } = call;
  if (instance !== undefined && isHolderThere) {
    return { kind: 'to', instance };
  }
  const substitute: Route = sidecar === undefined ? WAITS : { kind: 'to', instance: sidecar };
  const mayReturn = instance !== undefined && waitedMs < REROUTE_MS;
  switch (verb) {
    case 'commit':
      return substitute; // It is decided and prepared: whoever speaks for the database can carry it out.
    case 'rollback':
      // The sweep finds the branch if it is prepared; if it is not, its session or its deadline ends it. So nobody waits (D11).
      return sidecar === undefined
        ? untold('RESOURCE_UNAVAILABLE', 'no participant of the resource is attached')
        : substitute;
    case 'prepare':
      return mayReturn ? WAITS : substitute; // Its session is with its holder.
    case 'commit-one-phase':
      if (mayReturn) {
        return WAITS;
      }
      if (call.evidence.kind === 'none' && instance !== undefined && sidecar !== undefined) {
        // Another instance would commit what it has opened itself; and with its holder the branch's session is gone.
        return untold('BRANCH_UNKNOWN', `${bqual}: its participant was restarted before the commit`);
      }
      // Nothing is committed as long as nobody knows its evidence.
      return call.evidence.kind === 'none' && sidecar === undefined && waitedMs >= UNTOLD_MS
        ? untold('RESOURCE_UNAVAILABLE', `${bqual}: its participant is not attached`)
        : substitute;
  }
}

/** `left`: the call that is under way will do. */
type Again = 'left' | 'tells-evidence' | 'replaces';

/**
 * A call is wanted of which the like is under way since `agoMs`. Two that finish one branch at once get into each other's way, and at
 * MariaDB the second would end the session in which the first is at work: so another instance that has found the branch waits for a while.
 */
export function again(underWay: RoutedCall, wanted: RoutedCall, agoMs: number): Again {
  const isSameInstance = underWay.instance === wanted.instance;
  if (wanted.verb === 'commit-one-phase') {
    if (!isSameInstance) {
      return 'replaces'; // Only now it is known who holds the branch, and nobody else must be told.
    }
    // Its holder was asked without evidence, and waits to be told with it.
    return wanted.evidence.kind === 'none' ? 'left' : 'tells-evidence';
  }
  return isSameInstance || agoMs < CALL_DOUBLED_MS ? 'left' : 'replaces';
}

type Silence =
  | { readonly kind: 'waits' }
  | { readonly kind: 'asks-again' }
  /** The call is over, and its answer may be lost: nothing is concluded from that. */
  | { readonly kind: 'over'; readonly reason: Reason };

/** A call was made `agoMs` ago and is not answered. `isAskedByClient`: by the client, who had promised to ask for the vote. */
export function afterSilence(verb: RoutedCall['verb'], isAskedByClient: boolean, agoMs: number): Silence {
  if (agoMs < (isAskedByClient ? ASKED_VOTE_MS : CALL_ANSWER_MS)) {
    return { kind: 'waits' };
  }
  return verb === 'prepare'
    ? { kind: 'asks-again' }
    : { kind: 'over', reason: unavailable('the participant did not answer in time') };
}

/** `noted`: it does not count, and people hear of it. */
type Hearing = 'counts' | 'ignored' | 'noted';

/**
 * Whether an answer counts: from whoever was asked for it it does. Anybody else's is told to people if it would have changed anything (X7).
 * @param state of its transaction; undefined: it is not held.
 */
export function hearing(
  state: State | undefined,
  answer: Extract<Event, { kind: 'branch-result' }>,
  { instance, isAsked }: { readonly instance: string; readonly isAsked: boolean },
): Hearing {
  if (isAsked || (state !== undefined && isOwnDamage(state, answer, instance))) {
    return 'counts';
  }
  const after = state && step(state, answer);
  return after !== undefined && (after.state !== state || after.effects.length > 0) ? 'noted' : 'ignored';
}

function untold(code: Reason['code'], message: string): Route {
  return { kind: 'untold', reason: { code, message, retryable: true } };
}

function unavailable(message: string): Reason {
  return { code: 'RESOURCE_UNAVAILABLE', message, retryable: true };
}
