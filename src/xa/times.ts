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
/** A participant that is refused, or whose coordinator is away, dials again after at most so long. */
export const ATTACH_AGAIN_MS = 5_000;
/** Each end of a connection pings the other so often, and gives it up without an answer for so long: nobody waits on a dead one. */
export const KEEPALIVE_MS = 20_000;
export const KEEPALIVE_ANSWER_MS = 10_000;

/** A quarantined branch that its engine did not list for so long is gone: several lists have come meanwhile. */
export const LISTED_NO_MORE_MS = 10_000;
/** The same of the branches of another log, which is told beside the lists. */
export const OTHER_LOG_NO_MORE_MS = 15_000;
/** A participant that was refused, and has not asked again for so long, does not run any more. */
export const REFUSED_NO_MORE_MS = 30_000;
/** An operator sees a refusal that is older than this, beside participants that take part, as a mistake that is over. */
export const REFUSED_OLD_MS = 60_000;
/** Recovery and retries end what they can reach within seconds: what is open for longer is a warning, and worth waking somebody. */
export const OVERDUE_MS = 60_000;
/** The same reason is one line of the log in this time, however many branches have it. */
export const SAME_REASON_MS = 10_000;

/** A participant's call to its engine without an answer for so long counts as lost. */
export const ENGINE_CALL_MS = 10_000;
/** A participant's connection to its engine that is not there after so long is given up; the next call tries again. */
export const ENGINE_CONNECT_MS = 5_000;
/** A branch waits so long for its turn at a session: its caller hears why before most deadlines, and the usual branch is over. */
export const SESSION_WAIT_MS = 10_000;
/** An adapter waits so long for a session of its pool: whoever asks has had its turn, so that one is free or is being opened. */
export const POOL_WAIT_MS = 1_000;
/** A statement waits so long for a lock: it ends deadlocks across databases, which no engine sees. */
export const LOCK_WAIT_MS = 10_000;
/** The participant's own statements, evidence and phase two, wait so long for a lock at MySQL and MariaDB. They are repeated. */
export const CONTROL_LOCK_WAIT_MS = 3_000;
/** A session that was told to end is waited for so long: at PostgreSQL, and at MySQL and MariaDB. */
export const TERMINATE_WAIT_MS = 3_000;
export const KILLED_WAIT_MS = 5_000;
/** So long after a branch's deadline its engine ends an idle session by itself: a net below the participant, which rolls back in good order. */
export const IDLE_GRACE_MS = 5_000;
/** A prepare that hangs may outlive the branch's deadline so long before its session is ended under it. */
export const PREPARE_GRACE_MS = 5_000;
/** An ended branch is remembered so long at least, and no message about it is later. */
export const TOMBSTONE_MS = 10 * 60_000;
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

/** Lazy records wait so long for a forced one, and are on disk within a second. */
export const LAZY_MS = 900;
/** A row that alone proves a commit stays so long from when it was first heard of, for those who ask after a restart. */
export const PROOF_KEPT_MS = 60_000;

/** A client waits so long for the coordinator when it connects. */
export const CONNECT_TIMEOUT_DEFAULT_MS = 10_000;
/** A client asks so long for an outcome before it says that it is unknown. */
export const OUTCOME_TIMEOUT_DEFAULT_MS = 30_000;
/** A participant and the coordinator end an overdue transaction on their own; the client's clock, so much later, only catches their silence. */
export const OVERDUE_GRACE_MS = 5_000;
/** A client waits so long for the answer to a rollback. Nothing was decided: nothing depends on it but the moment the locks are free. */
export const ROLLBACK_WAIT_MS = 5_000;
/** The end of a transaction waits so long until a lent connection is free again. */
export const RELEASE_WAIT_MS = 10_000;
/** An operator's call waits so long for its answer. */
export const OPERATOR_WAIT_MS = 10_000;

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
assert(
  QUESTION_MS < OPERATOR_WAIT_MS && OPERATOR_WAIT_MS < UNARY_DEADLINE_MAX_MS,
  'an operator hears which participant did not answer',
);
assert(
  Math.max(PREPARE_TIMEOUT_MS, ANSWER_WAIT_MS) < UNARY_DEADLINE_MAX_MS,
  'a caller hears what became of its transaction before its call ends',
);
assert(APPLIED_WAIT_MS < ANSWER_WAIT_MS, 'a decision that is known is told sooner than that nothing is known');
assert(KEEPALIVE_ANSWER_MS < KEEPALIVE_MS, 'a ping is answered before the next one');
assert(
  3 * RECONCILE_MS < Math.min(LISTED_NO_MORE_MS, OTHER_LOG_NO_MORE_MS),
  'one list that is lost does not make a branch gone',
);
assert(
  ATTACH_AGAIN_MS + WELCOME_WAIT_MS < REFUSED_NO_MORE_MS && REFUSED_NO_MORE_MS < REFUSED_OLD_MS,
  'a participant that runs has asked again before its refusal is over',
);
assert(
  Math.max(ATTACH_AGAIN_MS, FINISH_TRY_MS, UNTOLD_MS, PREPARE_TIMEOUT_MS) < OVERDUE_MS,
  'what ends by itself is not overdue',
);
assert(
  Math.max(CONTROL_LOCK_WAIT_MS, TERMINATE_WAIT_MS, KILLED_WAIT_MS) < ENGINE_CALL_MS,
  'a call hears of the lock or the session that holds it up before it is lost',
);
assert(CONTROL_LOCK_WAIT_MS % 1_000 === 0, 'MySQL and MariaDB count waits for locks in seconds');
assert(IDLE_GRACE_MS >= 1_000, 'MySQL and MariaDB round to seconds, and end no session before its deadline');
assert(POOL_WAIT_MS < SESSION_WAIT_MS, 'branches wait for their turn, not in the pool');
assert(SESSION_WAIT_MS < TRANSACTION_TIMEOUT_DEFAULT_MS, 'who waits for a session hears why before its deadline');
assert(PREPARE_GRACE_MS < CALL_ANSWER_MS, 'a prepare that hangs is over before the coordinator asks for it again');
assert(
  Math.max(CALL_ANSWER_MS, UNARY_DEADLINE_MAX_MS, OUTCOME_TIMEOUT_DEFAULT_MS) < TOMBSTONE_MS,
  'a late message meets what is remembered of its branch (D9)',
);
assert(OUTCOME_TIMEOUT_DEFAULT_MS < PROOF_KEPT_MS, 'whoever asks for an outcome finds its proof');
assert(HELLO_MAX_MS < CONNECT_TIMEOUT_DEFAULT_MS, 'a client hears why its session was refused');
assert(
  Math.max(PREPARE_TIMEOUT_MS, ANSWER_WAIT_MS) < OUTCOME_TIMEOUT_DEFAULT_MS,
  'a client hears the outcome before it says that it is unknown',
);
assert(APPLIED_WAIT_MS < ROLLBACK_WAIT_MS, 'a client hears of its rollback though a branch is away');
assert(ENGINE_CALL_MS <= RELEASE_WAIT_MS, 'a lent connection is waited for until its last call is answered or lost');
