// Every bound of the product, with its unit and its reason. Tests assert how they relate.

/** Global transactions that are not decided yet. 10,000 open ones fit in 512 MB. */
export const OPEN_TRANSACTIONS_MAX = 10_000;
/** Decided ones beyond those that wait for a participant that is away; about 1 KiB each. */
export const UNFINISHED_TRANSACTIONS_MAX = 100_000;
/** Branches of one global transaction: its decision record stays below 16 KiB. */
export const BRANCHES_MAX = 64;
/** The largest gRPC message that the coordinator takes: one frame of the largest commit requests, never application data. */
export const COORDINATOR_MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
/** The largest gRPC message that a sidecar takes or sends: statements and rows. */
export const RESOURCE_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
export const METADATA_BYTES_MAX = 8 * 1024;
export const METADATA_PAIRS_MAX = 64;
/** Concurrent HTTP/2 streams of one connection; grpc-js has no limit of its own. */
export const STREAMS_PER_CONNECTION_MAX = 100;
/** Long-lived client sessions of one coordinator. */
export const SESSIONS_MAX = 1_000;
/** Streams that watch the health of one server, over all connections. */
export const HEALTH_WATCHES_MAX = 1_000;
/** Participant instances attached to one coordinator. */
export const PARTICIPANTS_MAX = 1_000;
/** Resources that a coordinator registers: their names are for good, in its log and in every client's directory. */
export const RESOURCES_MAX = 1_000;
/** Prepared branches that no decision names, being rolled back at once; those beyond come with the next reconciliation. */
export const ORPHANS_MAX = 10_000;
/** Texts of an engine's kind and version; its identity has its own, for it names the database: 64 characters of up to four bytes. */
export const ENGINE_BYTES_MAX = 64;
export const ENGINE_IDENTITY_BYTES_MAX = 350;
/** `host:port` of a sidecar: a host name has up to 253 bytes. */
export const ADDRESS_BYTES_MAX = 262;
/** Resources in one message of the directory; an older log may hold texts of 800 bytes, and a message of them still fits. */
export const DIRECTORY_PAGE_MAX = 200;
/** Changes of the directory are told to the sessions at most so often: what changed meanwhile is told at once. */
export const DIRECTORY_NEWS_MS = 100;
/** From the opening of a Session or Attach stream to its hello, whatever else is said on it: it holds a place meanwhile. */
export const HELLO_MAX_MS = 5_000;
/** Answers and commands of all streams of a process that their peers have not read; the longest queue is given up first. */
export const UNREAD_BYTES_MAX = 512 * 1024 * 1024;
/** Messages in one stream frame; a frame of the largest ones stays below COORDINATOR_MESSAGE_BYTES_MAX. */
export const FRAME_MESSAGES_MAX = 200;
/**
 * Entries of all lists in one request, and messages within it, counted while it is read: two bytes on the wire are a hundred in memory.
 * Room for a frame of FRAME_MESSAGES_MAX commits of dozens of branches, for a hello that names thousands of branches with their evidence,
 * and for thousands of parameters.
 */
export const LIST_ENTRIES_MAX = 20_000;
/** Branches in one Reconcile or Forget message; longer lists go as several. */
export const BRANCHES_PER_MESSAGE_MAX = 500;
/** What a caller names itself with: 32 random characters are enough. */
export const CALLER_TOKEN_BYTES_MAX = 64;
export const REQUEST_ID_BYTES_MAX = 64;
export const REASON_CHARS_MAX = 1_000;
/** Of why an application rolls back; a client cuts its own. */
export const ROLLBACK_REASON_CHARS_MAX = 200;
export const OPERATOR_REASON_CHARS_MIN = 10;
/** Request ids remembered in memory; the oldest go first. */
export const REQUEST_IDS_MAX = 100_000;
/** Completed outcomes answerable from memory or log, by count; the oldest go first. */
export const OUTCOMES_RETAINED_MAX = 100_000;
/** Lives of a log whose tokens are remembered: a database that was away for more starts than these is refused until a person decides. */
export const LIVES_MAX = 1_000;
/** Sequence numbers handed to a session at once. */
export const LEASE_SIZE = 1_000;

export const TRANSACTION_TIMEOUT_DEFAULT_MS = 30_000;
export const TRANSACTION_TIMEOUT_MAX_MS = 24 * 3_600_000;
/** Longest wait of a unary call; its deadline never touches the transaction's outcome. */
export const UNARY_DEADLINE_MAX_MS = 30_000;

/** Rows and bytes of one statement's answer; below RESOURCE_MESSAGE_BYTES_MAX. */
export const RESULT_ROWS_MAX = 10_000;
export const RESULT_BYTES_MAX = 3 * 1024 * 1024;
export const PARAMETERS_MAX = 1_000;
/** Statements of one branch that wait at a sidecar; a client that awaits each has one. */
export const STATEMENTS_WAITING_MAX = 64;
/** Those that our own client sends ahead of their answers. */
export const STATEMENTS_AHEAD_MAX = 32;
/** Branches that one sidecar holds open; also its connection limit. */
export const SIDECAR_BRANCHES_MAX = 64;
/** Branches that wait at one participant until a session is free. */
export const SESSIONS_WAITED_FOR_MAX = 1_000;
/** Calls of phase two, evidence and recovery that wait at one participant for one of its few connections; the others are repeated. */
export const CONTROLS_WAITED_FOR_MAX = 10_000;
/**
 * Connections of one participant for phase two, evidence and recovery. Such calls are bound by the engine's flushes, which it groups over
 * sessions: some parallelism pays, and its other connections are for branches.
 */
export const CONTROL_SESSIONS_MAX = 8;
/** Branches that a participant lists to a coordinator that comes back; reconciliation tells it of further prepared ones. */
export const HELD_TOLD_MAX = 5_000;
/** Evidence rows that one DELETE takes away: it holds few locks, and not for long. */
export const ROWS_FORGOTTEN_MAX = 500;
/** Evidence rows that an adapter tells at once; the next sweep goes on behind them. */
export const ROWS_TOLD_MAX = 10_000;
/** Branches of another log that are told by name; the others are counted. */
export const BRANCHES_OF_OTHERS_MAX = 100;
/** Transactions in one page of the operator's list. */
export const TRANSACTIONS_PAGE_MAX = 1_000;
