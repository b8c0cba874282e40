// The times that two sides share: what the one waits for, the other has to do in it. How they relate is asserted below, so that none is
// changed alone.
import { assert } from '../lib/assert.ts';
import { SILENT_INTERVALS_MAX } from '../lib/pulse.ts';
import { HELLO_MAX_MS, TRANSACTION_TIMEOUT_DEFAULT_MS, UNARY_DEADLINE_MAX_MS } from './limits.ts';

/** Each end of an attach stream says something so often; the coordinator tells it, and participants keep to it. */
export const HEARTBEAT_MS = 2_000;
/** So often a participant tells what its engine lists as prepared; the coordinator tells it. */
export const RECONCILE_MS = 3_000;
/** A participant waits so long from its dial to the welcome, and from a stale epoch to the coordinator's refusal. */
export const WELCOME_WAIT_MS = 10_000;

/** A participant's call to its engine without an answer for so long counts as lost. */
export const ENGINE_CALL_MS = 10_000;
/** A participant's connection to its engine that is not there after so long is given up; the next call tries again. */
export const ENGINE_CONNECT_MS = 5_000;
/** A statement waits so long for a lock: it ends deadlocks across databases, which no engine sees. */
export const LOCK_WAIT_MS = 10_000;
/** A participant goes on looking and trying for so long before it answers `not-yet` to a call of phase two. */
export const FINISH_TRY_MS = 3_000;

/** The coordinator's call without an answer for so long is asked again: the answer may be lost. Participants take repeats as one. */
export const CALL_ANSWER_MS = 10_000;
/** The coordinator's call without an answer for so long is also given to another instance that says that it can carry it out. */
export const CALL_DOUBLED_MS = 3_000;
/** A participant whose stream broke may come back with its branches; after this the coordinator asks another instance. */
export const REROUTE_MS = 1_000;
/** A commit in one phase waits so long for a participant; nothing is committed yet, so that it then counts as a no. */
export const UNTOLD_MS = 15_000;
/** A client has promised to ask for the vote; if none comes in this time, its word or the vote may be lost, and the coordinator asks. */
export const ASKED_VOTE_MS = 500;
/** The coordinator waits so long for the answer to a question: an operator's scan, a probe of a branch. People wait for these. */
export const QUESTION_MS = 8_000;

/**
 * The prepare phase has its own bound: a transaction with a day's deadline must not hold locks for a dead participant that long. It
 * is over before the longest wait of a unary call, so that its caller hears of the rollback instead of a deadline.
 */
export const PREPARE_TIMEOUT_MS = 25_000;
/** A caller waits so long for a log or a single branch that gives no answer. */
export const ANSWER_WAIT_MS = 20_000;
/** A caller who wants every branch finished waits no longer than this for one that is away; then it hears the decision (D11). */
export const APPLIED_WAIT_MS = 2_000;

assert(HELLO_MAX_MS < WELCOME_WAIT_MS, 'a hello that came too late is refused before its sender gives the stream up');
assert(
  (SILENT_INTERVALS_MAX + 1) * HEARTBEAT_MS < CALL_ANSWER_MS,
  'a silent participant is detached before calls to it are lost',
);
assert(ENGINE_CONNECT_MS < ENGINE_CALL_MS, 'a call has time for its engine’s answer after it had to connect');
assert(ENGINE_CALL_MS <= CALL_ANSWER_MS, 'a participant knows that its engine is silent when it is asked again');
assert(FINISH_TRY_MS <= CALL_DOUBLED_MS, 'nobody else is given a call while its participant is at its first try');
assert(CALL_DOUBLED_MS < CALL_ANSWER_MS, 'another instance is given a call before the call is lost');
assert(REROUTE_MS < CALL_DOUBLED_MS, 'a participant that is gone is replaced sooner than one that is slow');
assert(REROUTE_MS < UNTOLD_MS, 'another instance is asked before a commit in one phase counts as a no');
assert(UNTOLD_MS < ANSWER_WAIT_MS, 'whoever waits for a commit in one phase hears the no, not that nothing is known');
assert(
  ASKED_VOTE_MS < REROUTE_MS && CALL_ANSWER_MS < PREPARE_TIMEOUT_MS,
  'a lost vote is asked for in the prepare phase',
);
assert(
  LOCK_WAIT_MS < PREPARE_TIMEOUT_MS,
  'a lock that is not free ends its statement, not the prepare phase of others',
);
assert(PREPARE_TIMEOUT_MS < TRANSACTION_TIMEOUT_DEFAULT_MS, 'the prepare phase has its own bound');
assert(QUESTION_MS < UNARY_DEADLINE_MAX_MS, 'an operator hears which participant did not answer');
assert(
  Math.max(PREPARE_TIMEOUT_MS, ANSWER_WAIT_MS) < UNARY_DEADLINE_MAX_MS,
  'a caller hears what became of its transaction before its call ends',
);
assert(APPLIED_WAIT_MS < ANSWER_WAIT_MS, 'a decision that is known is told sooner than that nothing is known');
