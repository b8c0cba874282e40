// `concordat/client`: what applications import, and nothing else.
export type { Concordat, ResourceInfo, WaitOptions } from './concordat.ts';
export { connect } from './connect.ts';
export { CONTEXT_KEY } from './context.ts';
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
} from './errors.ts';
export type { BranchStart, ConnectOptions, Logger, RunOptions, TransactionOptions } from './options.ts';
export type { CommitResult, TransactionOutcome } from './outcome.ts';
export type { Column, QueryResult, Resource, ResultRow, StatementOptions } from './resource.ts';
export type {
  EnlistedConnection,
  EnlistOptions,
  OneShotStatement,
  Transaction,
  TransactionWork,
  TransactResult,
} from './transaction.ts';
export type { JsonObject, Parameter, ResultValue } from './values/values.ts';
export type { JoinOptions } from './work/joined.ts';
