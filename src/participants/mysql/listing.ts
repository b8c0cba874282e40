// XA RECOVER: what the engine holds prepared, cut and parsed as bytes.
import { FORMAT_ID, parseBqual, parseGtrid, type Xid } from '../../xa/xid.ts';
import type { PreparedBranch } from '../resource-manager.ts';
import type { EngineKind } from './engine.ts';

/** A marker row is inserted into every branch that is prepared; that it exists is known before it can be read. */
export const MARKER_EVIDENCE = 'marker';

type Row = readonly (Buffer | null)[];

/** Columns: formatID, gtrid_length, bqual_length, data. The lengths count bytes. MySQL writes the data as 0x… */
export function readRecoverRow(engine: EngineKind, row: Row): PreparedBranch {
  const [formatId, gtridLength, bqualLength] = row.slice(0, 3).map((cell) => Number(cell?.toString('latin1')));
  const data = bytesOf(engine, row[3] ?? Buffer.alloc(0));
  const gtrid = data.subarray(0, gtridLength);
  const bqual = data.subarray(gtridLength, (gtridLength ?? 0) + (bqualLength ?? 0));
  const whole = data.length === (gtridLength ?? -1) + (bqualLength ?? -1);
  const xid = whole && formatId === FORMAT_ID ? parse(gtrid, bqual) : undefined;
  return {
    xid,
    raw: `X'${gtrid.toString('hex')}',X'${bqual.toString('hex')}',${formatId}`,
    evidence: xid === undefined ? '' : MARKER_EVIDENCE,
    ageMs: 0,
  };
}

function bytesOf(engine: EngineKind, data: Buffer): Buffer {
  if (engine === 'mariadb') {
    return data;
  }
  const text = data.toString('latin1');
  return text.startsWith('0x') ? Buffer.from(text.slice(2), 'hex') : Buffer.alloc(0);
}

/** latin1 keeps every byte apart, so nothing that is not in the grammar turns into something that is. */
export function parse(gtrid: Buffer, bqual: Buffer): Xid | undefined {
  const parsed = { gtrid: parseGtrid(gtrid.toString('latin1')), bqual: parseBqual(bqual.toString('latin1')) };
  return parsed.gtrid === undefined || parsed.bqual === undefined
    ? undefined
    : { gtrid: parsed.gtrid, bqual: parsed.bqual };
}
