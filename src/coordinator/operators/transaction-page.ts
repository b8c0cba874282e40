// Pages of a transaction list: filter, order, and a token that only fits the query that made it (faults B73, B74).
import type { ListTransactionsRequest__Output as ListRequest } from '../../gen/concordat/v1/ListTransactionsRequest.ts';
import type { TransactionInfo__Output as WireTransaction } from '../../gen/concordat/v1/TransactionInfo.ts';
import { TRANSACTIONS_PAGE_MAX } from '../../xa/limits.ts';
import type { HeldTransaction } from '../driver/transaction.ts';
import { wireBranches, wireState, wireTransaction } from '../edge/describe.ts';
import { decodeResource, invalid } from '../edge/requests.ts';
import { finishedTransactions } from './past.ts';

interface ListResponse {
  readonly transactions: WireTransaction[];
  readonly nextPageToken: string;
}

const PAGE_DEFAULT = 100;
/** Of a page as JSON, which is longer than its protobuf unless it is not ASCII: at most three bytes each stay below the message limit. */
const PAGE_CHARS_MAX = 600_000;

/** @throws {CoordinatorError} FIELD_INVALID */
export function selectPage(all: readonly HeldTransaction[], request: ListRequest, now: number): ListResponse {
  if (request.pageSize < 0) {
    throw invalid('page_size', `must be 1 to ${TRANSACTIONS_PAGE_MAX}, or 0 for ${PAGE_DEFAULT}`);
  }
  const size = Math.min(TRANSACTIONS_PAGE_MAX, request.pageSize === 0 ? PAGE_DEFAULT : request.pageSize);
  if (request.states.some((state) => typeof state === 'number')) {
    throw invalid('states', 'holds a state that this version does not know');
  }
  const resource = request.resource === '' ? undefined : decodeResource(request.resource);
  const minAgeMs = Number(request.minAgeMs);
  const query = JSON.stringify([request.states, request.resource, request.minAgeMs]);
  const after = decodeToken(request.pageToken, query);
  const matching = all
    .filter(
      (transaction) =>
        (after === undefined || compare(transaction.gtrid, after) > 0) &&
        (request.states.length === 0 || request.states.includes(wireState(transaction.state))) &&
        now - transaction.openedAt >= minAgeMs &&
        (resource === undefined || wireBranches(transaction, now).some((branch) => branch.resource === resource)),
    )
    .sort((a, b) => compare(a.gtrid, b.gtrid));
  const transactions = cut(matching.slice(0, size).map((transaction) => wireTransaction(transaction, now)));
  const last = transactions.at(-1);
  const nextPageToken =
    matching.length > transactions.length && last !== undefined ? encodeToken(last.gtrid, query) : '';
  return { transactions, nextPageToken };
}

/** Those that are over. @throws {CoordinatorError} FIELD_INVALID */
export function finishedPage(parts: Parameters<typeof finishedTransactions>[0], request: ListRequest): ListResponse {
  if (request.states.length > 0 || request.pageToken !== '' || request.pageSize < 0) {
    throw invalid('finished', 'goes without states and page_token, and with a page_size from 0');
  }
  const transactions = finishedTransactions(parts, {
    sinceMs: Number(request.sinceMs),
    max: Math.min(TRANSACTIONS_PAGE_MAX, request.pageSize === 0 ? PAGE_DEFAULT : request.pageSize),
    resource: request.resource === '' ? undefined : decodeResource(request.resource),
  });
  return { transactions: cut(transactions), nextPageToken: '' };
}

/** As many as fit into an answer, one at the least: transactions of many branches take more room than others. */
function cut(transactions: readonly WireTransaction[]): WireTransaction[] {
  const fitting: WireTransaction[] = [];
  let chars = 0;
  for (const transaction of transactions) {
    chars += JSON.stringify(transaction).length;
    if (chars > PAGE_CHARS_MAX && fitting.length > 0) {
      break;
    }
    fitting.push(transaction);
  }
  return fitting;
}

/** By length, then by text: base-36 numbers without leading zeros then come in numeric order within an epoch. */
function compare(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function encodeToken(gtrid: string, query: string): string {
  return Buffer.from(JSON.stringify({ gtrid, query })).toString('base64url');
}

function decodeToken(token: string, query: string): string | undefined {
  if (token === '') {
    return undefined;
  }
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null && 'gtrid' in value && 'query' in value && value.query === query) {
      return String(value.gtrid);
    }
  } catch {
    // Not one of ours: the same refusal as for a token of another query.
  }
  throw invalid('page_token', 'must come from the previous page of the same query');
}
