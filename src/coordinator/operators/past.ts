// What is over, and what people did: from memory, and from the log over restarts.
import type { AuditEntry } from '../../gen/concordat/v1/AuditEntry.ts';
import type { ListAuditRequest__Output as AuditRequest } from '../../gen/concordat/v1/ListAuditRequest.ts';
import type { ListAuditResponse } from '../../gen/concordat/v1/ListAuditResponse.ts';
import type { TransactionInfo__Output as WireTransaction } from '../../gen/concordat/v1/TransactionInfo.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../log/log.ts';
import type { NumberedAct } from '../../log/past.ts';
import type { ResourceName } from '../../xa/xid.ts';
import { resourceOf } from '../../xa/xid.ts';
import type { Registry } from '../driver/registry.ts';
import { wireEnded, wireTransaction } from '../edge/describe.ts';
import { invalid } from '../edge/requests.ts';

interface PastParts {
  readonly log: Log;
  readonly transactions: Registry;
  readonly clock: Clock;
}

interface Wanted {
  readonly sinceMs: number;
  readonly max: number;
  readonly resource: ResourceName | undefined;
}

/** The newest first. Of this life all that is held whole, rolled back or not; of those before it what the log has. */
export function finishedTransactions(parts: PastParts, { sinceMs, max, resource }: Wanted): WireTransaction[] {
  const { log, transactions, clock } = parts;
  const now = clock.now();
  const wallTime = clock.wallTime();
  const held = transactions
    .recent()
    .filter(({ state, since }) => state.kind === 'completed' && now - since <= sinceMs)
    .map((transaction) => {
      const endedAt = Math.trunc(wallTime - (now - transaction.since));
      return { at: endedAt, info: { ...wireTransaction(transaction, now), endedAtMs: String(Math.max(0, endedAt)) } };
    });
  const known = new Set(held.map(({ info }) => info.gtrid));
  const logged = log
    .finished(wallTime - sinceMs, max + known.size)
    .filter(({ gtrid }) => !known.has(gtrid))
    .map(({ gtrid, branches, readOnly = [], origin }) => {
      const bquals = [...branches.map(({ bqual }) => bqual), ...readOnly];
      return { at: origin?.decidedAt ?? 0, info: wireEnded(gtrid, 'committed', bquals, origin) };
    });
  return [...held, ...logged]
    .filter(
      ({ info }) =>
        resource === undefined || info.branches.some((branch) => resourceOf(branch.bqual as never) === resource),
    )
    .sort((left, right) => right.at - left.at)
    .slice(0, max)
    .map(({ info }) => info);
}

/** A reason has up to 1,000 characters, a detail up to two identities: so many entries stay below a message. */
const AUDIT_PAGE = 200;

/** @throws {CoordinatorError} FIELD_INVALID, LOG_DAMAGED */
export function auditPage({ log, clock }: PastParts, { sinceMs, pageToken }: AuditRequest): ListAuditResponse {
  if (!/^\d{0,15}$/.test(pageToken)) {
    throw invalid('page_token', 'must come from the previous page');
  }
  const since = Number(sinceMs) === 0 ? Number.NEGATIVE_INFINITY : clock.wallTime() - Number(sinceMs);
  const wanted = log
    .acts()
    .filter(({ sequence }) => sequence > Number(pageToken))
    .map((act) => ({ sequence: act.sequence, entry: auditEntry(act) }))
    .filter(({ entry }) => Number(entry.atMs) >= since);
  const page = wanted.slice(0, AUDIT_PAGE);
  return {
    entries: page.map(({ entry }) => entry),
    nextPageToken: wanted.length > page.length ? String(page.at(-1)?.sequence ?? '') : '',
  };
}

function auditEntry({ record }: NumberedAct): AuditEntry {
  switch (record.kind) {
    case 'operator-action': {
      const { action, gtrid, bqual = '' } = record;
      return { ...whoAndWhy(record), action, subject: gtrid, detail: bqual };
    }
    case 'log-adopted':
      return {
        ...whoAndWhy(record),
        action: 'adopt-log',
        subject: '',
        detail: `decisions up to epoch ${record.lostTo} may be missing`,
      };
    case 'resource-registered': {
      const { resource, engineIdentity, accepted } = record;
      const { former = '' } = accepted ?? {};
      const isForgotten = engineIdentity === '';
      return {
        ...whoAndWhy(accepted),
        action: isForgotten ? 'forget-resource' : 'accept-resource',
        subject: resource,
        detail: isForgotten ? former : `${engineIdentity} in the place of ${former}`,
      };
    }
  }
}

interface Words {
  readonly operator: string;
  readonly reason: string;
  readonly requestId: string;
  readonly wallTime: number;
}

function whoAndWhy(words: Words | undefined): Pick<AuditEntry, 'operator' | 'reason' | 'requestId' | 'atMs'> {
  const { operator = '', reason = '', requestId = '', wallTime = 0 } = words ?? {};
  return { operator, reason, requestId, atMs: String(Math.max(0, Math.trunc(wallTime))) };
}
