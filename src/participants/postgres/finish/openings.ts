// All openings of one branch: what is known of a branch by its name alone.
import type { EvidenceRow } from '../../../xa/evidence.ts';
import { parseOpening } from '../../../xa/evidence.ts';
import type { FinishResult } from '../../../xa/vocabulary.ts';
import type { Xid } from '../../../xa/xid.ts';
import type { RunInControl } from '../session/query.ts';
import { gidPrefix, parseGid } from '../sql/gid.ts';
import { rowsOfNameStep } from '../tables/rows.ts';
import { ask, type Fence, hasRow, type NoStanding, rollbackPrepared } from './finish.ts';

/** Rolls back whatever is prepared under the name, and says if something of it was committed. Never rejects. */
export async function rollbackName(control: RunInControl, xid: Xid, fence: Fence): Promise<FinishResult> {
  const first = await rollbackListed(control, xid);
  if (first !== undefined) {
    return first;
  }
  const stuck = await fence();
  if (stuck !== undefined) {
    return { kind: 'unknown', reason: stuck };
  }
  // What the fenced sessions could still do, they have done by now.
  const again = await rollbackListed(control, xid);
  if (again !== undefined) {
    return again;
  }
  const rows = await committedOf(control, xid);
  if ('kind' in rows) {
    return rows;
  }
  return rows.length === 0 ? { kind: 'done' } : { kind: 'done-otherwise', proof: hasRow(rows) };
}

/** Undefined: everything that was listed is rolled back. */
async function rollbackListed(control: RunInControl, xid: Xid): Promise<FinishResult | undefined> {
  const listed = await listedOf(control, xid);
  if ('kind' in listed) {
    return listed;
  }
  for (const row of listed) {
    const result = await rollbackPrepared(control, row, async () => undefined);
    if (result.kind !== 'done') {
      return result;
    }
  }
  return undefined;
}

/** The openings that are prepared. */
export async function listedOf(control: RunInControl, xid: Xid): Promise<readonly EvidenceRow[] | NoStanding> {
  const result = await ask(control, {
    text: 'select gid from pg_prepared_xacts where starts_with(gid, $1) and database = current_database()',
    values: [gidPrefix(xid)],
  });
  return 'kind' in result ? result : result.rows.flatMap(([gid]) => parseGid(gid ?? '') ?? []);
}

/** The openings whose rows are committed. */
export async function committedOf(control: RunInControl, xid: Xid): Promise<readonly EvidenceRow[] | NoStanding> {
  const result = await ask(control, rowsOfNameStep(xid));
  if ('kind' in result) {
    return result;
  }
  return result.rows.flatMap(([text]) => {
    const opening = parseOpening(text ?? '');
    return opening === undefined ? [] : [{ ...xid, opening }];
  });
}
