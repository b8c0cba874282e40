// The error catalogue: what can be refused, its gRPC status, and what to do. docs/errors.md repeats it; a test keeps them equal.

import type { StatusName } from './status-codes.ts';

export interface CatalogueEntry {
  readonly status: StatusName;
  /** Whether the same call, or the same work as a new transaction, may succeed. */
  readonly retry: 'no' | 'same-call' | 'new-transaction' | 'ask-outcome';
  /** One sentence for the person who meets it: what it means and what to do. */
  readonly advice: string;
}

export const CATALOGUE = {
  FIELD_INVALID: {
    status: 'INVALID_ARGUMENT',
    retry: 'no',
    advice: 'A field is malformed; the message names it and its grammar. Fix the request.',
  },
  TXN_NOT_FOUND: {
    status: 'NOT_FOUND',
    retry: 'no',
    advice: 'No transaction of this log has that id. Check the id and the coordinator you asked.',
  },
  REQUEST_ID_REUSED: {
    status: 'ALREADY_EXISTS',
    retry: 'no',
    advice: 'The request id was used for a request with another body. Take a new id for each new request.',
  },
  KEY_REUSED: { status: 'ALREADY_EXISTS', retry: 'no', advice: 'The key was used for another request. Take another.' },
  BRANCH_EXISTS: {
    status: 'ALREADY_EXISTS',
    retry: 'no',
    advice: 'The transaction already has that branch at another resource. Choose another branch qualifier.',
  },
  TXN_STATE: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'The transaction is no longer in a state in which this can be done; the message says where it stands.',
  },
  TRANSACTION_REQUIRED: { status: 'FAILED_PRECONDITION', retry: 'no', advice: 'Call it within a transaction.' },
  TRANSACTION_PRESENT: { status: 'FAILED_PRECONDITION', retry: 'no', advice: 'Call it outside of a transaction.' },
  TXN_DECIDED: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'The decision is durable and cannot be changed; the outcome is in the details.',
  },
  RESOURCE_UNKNOWN: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'No participant has registered that resource; the message lists the known ones. Start its sidecar.',
  },
  RESOURCE_UNAVAILABLE: {
    status: 'UNAVAILABLE',
    retry: 'same-call',
    advice:
      'No participant of the resource is attached at the moment. Try again; look at its sidecar with `concordat resource list`.',
  },
  BRANCHES_DIFFER: {
    status: 'ABORTED',
    retry: 'new-transaction',
    advice:
      'The commit request names other branches than the transaction has. If the outcome is rolled-back, everything was rolled back: commit only after every statement was answered. If the outcome is unknown, the branches that the message names are being committed, or are committed: look at each of them before you run anything again.',
  },
  BRANCH_VOTED_NO: {
    status: 'ABORTED',
    retry: 'new-transaction',
    advice: 'A branch could not be prepared; everything was rolled back. The branch reasons say why.',
  },
  TXN_ROLLED_BACK: {
    status: 'ABORTED',
    retry: 'new-transaction',
    advice:
      'The transaction was rolled back: by its deadline, its client or an operator; the reason is in the details.',
  },
  TXN_TIMEOUT: {
    status: 'ABORTED',
    retry: 'new-transaction',
    advice: 'The deadline passed before the decision; everything was rolled back. Give it more time or less work.',
  },
  ROLLBACK_ONLY: {
    status: 'ABORTED',
    retry: 'no',
    advice: 'The transaction was marked rollback-only and was rolled back.',
  },
  CLIENT_LOST: {
    status: 'ABORTED',
    retry: 'new-transaction',
    advice: "The client's session ended before it asked for a commit; its transactions were rolled back.",
  },
  OUTCOME_UNKNOWN: {
    status: 'UNKNOWN',
    retry: 'ask-outcome',
    advice: 'The outcome is not known now. Ask GetTransaction with the id, and assume nothing until it answers.',
  },
  OUTCOME_EXPIRED: {
    status: 'NOT_FOUND',
    retry: 'no',
    advice: 'The transaction is older than the retained outcomes. Raise the retention to keep them longer.',
  },
  HEURISTIC_OUTCOME: {
    status: 'DATA_LOSS',
    retry: 'no',
    advice:
      'Some branches ended against the decision, and the evidence is recorded. Look with `concordat tx explain`, fix the data, then run `concordat tx forget`.',
  },
  RESULTS_LOST: {
    status: 'DATA_LOSS',
    retry: 'no',
    advice:
      'The transaction is committed, but answers of its statements did not arrive. Do not run it again; read the data anew.',
  },
  LIMIT_TRANSACTIONS: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'same-call',
    advice: 'Too many transactions are open. Wait for some to end.',
  },
  LIMIT_BRANCHES: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'no',
    advice: 'The transaction has as many branches as are allowed. Split the work.',
  },
  LIMIT_SESSIONS: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'same-call',
    advice: 'Too many sessions are open. Share one session in each process.',
  },
  LIMIT_RESOURCES: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'same-call',
    advice:
      'The coordinator has as many resources as it may register. Look with `concordat resource list`, and remove what is not yours: `concordat resource forget NAME`.',
  },
  LIMIT_METADATA: { status: 'RESOURCE_EXHAUSTED', retry: 'no', advice: 'The call metadata is too large. Send less.' },
  LIMIT_FRAME: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'no',
    advice: 'A frame carries too many messages. Send smaller frames.',
  },
  LIMIT_DISK: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'same-call',
    advice:
      'The volume of the log is almost full: new transactions are refused, so that open ones can finish. Free space on it.',
  },
  LIMIT_BACKUPS: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'same-call',
    advice: 'A backup is being made. Wait until it ends.',
  },
  LIMIT_CONNECTIONS: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'same-call',
    advice:
      'The sidecar has as many open branches as it may hold. Wait, or raise --max-branches and the limits of the database.',
  },
  LIMIT_RESULT: {
    status: 'RESOURCE_EXHAUSTED',
    retry: 'no',
    advice: 'The statement returns more rows or bytes than one answer may have. Add a LIMIT, or read in pages.',
  },
  DRAINING: {
    status: 'UNAVAILABLE',
    retry: 'same-call',
    advice: 'The coordinator is shutting down and takes no new transactions. Try again after its restart.',
  },
  STATEMENT_FAILED: {
    status: 'ABORTED',
    retry: 'no',
    advice:
      'The database refused the statement; its SQLSTATE and number are in the details. The branch can only be rolled back.',
  },
  BRANCH_UNKNOWN: {
    status: 'ABORTED',
    retry: 'new-transaction',
    advice:
      'The participant no longer holds that branch: it timed out, was rolled back, or the participant was restarted.',
  },
  BRANCH_STATE: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'The branch takes no more statements: it is prepared or ended.',
  },
  BRANCH_BUSY: {
    status: 'FAILED_PRECONDITION',
    retry: 'same-call',
    advice: 'A statement of that branch is still running. Wait for each answer before you send the next statement.',
  },
  STATEMENT_REFUSED: {
    status: 'INVALID_ARGUMENT',
    retry: 'no',
    advice:
      'The statement would end or change the branch, or is more than one. Leave BEGIN, COMMIT, ROLLBACK, XA and SET TRANSACTION to the coordinator.',
  },
  ENGINE_UNAVAILABLE: {
    status: 'UNAVAILABLE',
    retry: 'new-transaction',
    advice: 'The participant cannot reach its database. The branch is rolled back.',
  },
  PREFLIGHT_FAILED: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'The database cannot take part; the message names what is wrong and how to fix it.',
  },
  RESOURCE_IDENTITY: {
    status: 'PERMISSION_DENIED',
    retry: 'no',
    advice:
      'Another database is registered under that resource name. Point the participant at the right server, use another name, or, if the database has taken its place, let an operator accept it: concordat resource accept.',
  },
  RESOURCE_PENDING: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice:
      'Work is pending that only the former database of the resource can finish; the message names it. Let it finish, or settle it by hand first.',
  },
  NOT_OWNER: {
    status: 'PERMISSION_DENIED',
    retry: 'no',
    advice: 'A participant spoke for a branch of another resource. Check its --resource.',
  },
  EPOCH_STALE: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice:
      'The database has served a life of this log that this copy does not know: this is an old copy, and the coordinator decides nothing with it, however often it is started. Find the newest log; if it is lost, see what this copy lacks with `concordat log adopt --dry-run`.',
  },
  EPOCH_LEAP: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice:
      'The epoch of the coordinator is more than 10,000 above the one that the database knows, which is not believed; or the database last served a life that is older than the 1,000 that the log remembers. If the coordinator is yours, the log of the participant has the statement that fixes this.',
  },
  RESOURCE_KNOWS_OTHER_LOG: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice:
      'The database has served another log of Concordat, and never this one. Start with the data directory of that log; if it is lost, or the database is shared on purpose, name it with --beside-logs.',
  },
  PROTOCOL: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'The peers speak different versions of the protocol. Upgrade the older one.',
  },
  RESOLUTION_CONTRADICTS: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'The resolution contradicts a durable decision. A decided commit never changes.',
  },
  VERSION_CONFLICT: {
    status: 'ABORTED',
    retry: 'no',
    advice: 'The transaction changed since you looked. Look again, then decide.',
  },
  LOG_FAILED: {
    status: 'UNKNOWN',
    retry: 'ask-outcome',
    advice:
      'The log could not be written, or it is not known whether it was. The coordinator stops; ask for the outcome after its restart.',
  },
  LOG_DAMAGED: {
    status: 'DATA_LOSS',
    retry: 'no',
    advice: 'The log is damaged or incomplete. Restore a verified backup; see docs/operations.md.',
  },
  LOG_FOREIGN: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'The file is not a log of Concordat, or belongs to another one. Check the data directory.',
  },
  LOG_NEWER: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'The log was written by a newer Concordat. Start that version, or a newer one.',
  },
  LOG_LOCKED: {
    status: 'FAILED_PRECONDITION',
    retry: 'no',
    advice: 'Another coordinator holds the log. Stop it first, or choose another data directory.',
  },
  CONFIG_INVALID: {
    status: 'INVALID_ARGUMENT',
    retry: 'no',
    advice: 'A setting is unknown or malformed; the message names it.',
  },
  DEADLINE: {
    status: 'DEADLINE_EXCEEDED',
    retry: 'ask-outcome',
    advice: 'The caller stopped waiting; the transaction goes on. Ask GetTransaction.',
  },
  CONNECTION_LOST: {
    status: 'UNAVAILABLE',
    retry: 'same-call',
    advice: 'The connection broke. The client reconnects by itself; try again.',
  },
  INTERNAL: { status: 'INTERNAL', retry: 'no', advice: 'A bug. Report it with the log line that carries the same id.' },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof CATALOGUE;
