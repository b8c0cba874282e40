// The package `concordat-client` (packages/client): what applications import, and nothing else.
export type { Concordat, ResourceInfo, WaitOptions } from './concordat.ts';
export { connect } from './connect.ts';
export { CONTEXT_KEY } from './public/context.ts';
export {
  type BranchCause,
  type BranchIdentity,
  ConcordatError,
  type ErrorCode,
  HeuristicOutcomeError,
  OutcomeUnknownError,
  ResultsLostError,
  StatementError,
  TransactionRolledBackError,
} from './public/errors.ts';
export type {
  BeginOptions,
  BranchStart,
  ConnectOptions,
  JoiningOptions,
  JoinOptions,
  Logger,
  Propagation,
  RunOptions,
  ScopeOptions,
  TransactionOptions,
} from './public/options.ts';
export type { ConnectionPool, ConnectionPoolOptions } from './public/pool.ts';
export type { Column, QueryResult, Resource, ResultRow, StatementOptions } from './public/resource.ts';
export type { JsonValue, NamedLock, OnceOptions, OnceResult, OnceValue } from './public/tables.ts';
export type {
  CommitResult,
  CompletionOutcome,
  EnlistedConnection,
  EnlistOptions,
  OneShotStatement,
  Transaction,
  TransactionOutcome,
  TransactionStatus,
  TransactionWork,
  TransactResult,
} from './public/transaction.ts';
export type { Transactional } from './transactional.ts';
export type { JsonObject, Parameter, ResultValue } from './values/values.ts';
