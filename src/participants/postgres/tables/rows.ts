// Evidence rows: written within the branch, in the round trip that prepares or commits it, and deleted when it is accounted for.
import type { EvidenceRow } from '../../../xa/evidence.ts';
import { parseRow } from '../../../xa/evidence.ts';
import { ROWS_FORGOTTEN_MAX, ROWS_TOLD_MAX } from '../../../xa/limits.ts';
import type { LogIdentity, Xid } from '../../../xa/xid.ts';
import type { BatchStep } from '../protocol/batch.ts';
import { query, type RunInControl } from '../session/query.ts';
import { BRANCH_TABLE } from './tables.ts';

/** Qualified, for the branch may have put another schema in front; and a statement that the session keeps. */
export function insertRowStep({ gtrid, bqual, opening }: EvidenceRow): BatchStep {
  return {
    text: `insert into ${BRANCH_TABLE} (gtrid, bqual, opening) values ($1, $2, $3)`,
    values: [gtrid, bqual, opening],
  };
}

/**
 * Whether the row of one opening is committed. With a lock, which makes this a transaction that writes: it is answered only when the
 * synchronous standbys have everything that came before it, also a commit whose own wait for them was cut off. A server that is
 * read-only or in recovery refuses it. NOWAIT: another that asks for the same row may be waiting for a standby.
 */
export function rowStep({ gtrid, bqual, opening }: EvidenceRow): BatchStep {
  return {
    text: `select opening from ${BRANCH_TABLE} where gtrid = $1 and bqual = $2 and opening = $3 for no key update nowait`,
    values: [gtrid, bqual, opening],
  };
}

/** The same for whichever opening of a branch was committed. */
export function rowsOfNameStep({ gtrid, bqual }: Xid): BatchStep {
  return {
    text: `select opening from ${BRANCH_TABLE} where gtrid = $1 and bqual = $2 for no key update nowait`,
    values: [gtrid, bqual],
  };
}

/** A part of the rows, in the order of their keys; `end`: there are more behind this one. */
interface RowsPart {
  readonly rows: readonly EvidenceRow[];
  readonly end: EvidenceRow | undefined;
}

/** @param after where the last part ended. @throws {EngineError} */
export async function listRows(
  control: RunInControl,
  identity: LogIdentity,
  after: EvidenceRow | undefined,
): Promise<RowsPart> {
  const { gtrid, bqual } = after ?? { gtrid: `${identity}.`, bqual: '' };
  const [result] = await query(control, [
    {
      // `/` is the next character after the dot: every gtrid of one log's identity lies between.
      text: `select gtrid || ':' || bqual || ':' || opening from ${BRANCH_TABLE}
        where (gtrid, bqual) > ($1, $2) and gtrid < $3 order by gtrid, bqual limit ${ROWS_TOLD_MAX}`,
      values: [gtrid, bqual, `${identity}/`],
    },
  ]);
  const rows = (result?.rows ?? []).flatMap(([text]) => parseRow(text ?? '') ?? []);
  return { rows, end: (result?.rows.length ?? 0) < ROWS_TOLD_MAX ? undefined : rows.at(-1) };
}

/** @throws {EngineError} */
export async function forgetRows(control: RunInControl, rows: readonly EvidenceRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += ROWS_FORGOTTEN_MAX) {
    const part = rows.slice(start, start + ROWS_FORGOTTEN_MAX);
    const column = (of: keyof EvidenceRow): string => `{${part.map((row) => row[of]).join(',')}}`;
    await query(control, [
      {
        text: `delete from ${BRANCH_TABLE} where (gtrid, bqual, opening) in
          (select * from unnest($1::text[], $2::text[], $3::text[]))`,
        values: [column('gtrid'), column('bqual'), column('opening')],
      },
    ]);
  }
}
