// XA RECOVER: what the engine holds prepared, cut and parsed as bytes.
import { type EvidenceRow, NO_EVIDENCE, parseRow, rowEvidence } from '../../../xa/evidence.ts';
import { FORMAT_ID } from '../../../xa/xid.ts';
import type { PreparedBranch } from '../../resource-manager.ts';
import type { EngineKind } from '../protocol/engine.ts';

type Row = readonly (Buffer | null)[];

/** Columns: formatID, gtrid_length, bqual_length, data. The lengths count bytes. MySQL writes the data as 0x… */
export function readRecoverRow(engine: EngineKind, row: Row): PreparedBranch {
  const { gtrid, bqual, formatId, opened } = cut(engine, row);
  return {
    xid: opened === undefined ? undefined : { gtrid: opened.gtrid, bqual: opened.bqual },
    raw: `X'${gtrid.toString('hex')}',X'${bqual.toString('hex')}',${formatId}`,
    evidence: opened === undefined ? NO_EVIDENCE : rowEvidence(opened.opening),
    ageMs: 0,
  };
}

/** Which opening of a branch of ours it is. */
export function readOpened(engine: EngineKind, row: Row): EvidenceRow | undefined {
  return cut(engine, row).opened;
}

function cut(engine: EngineKind, row: Row) {
  const [formatId, gtridLength, bqualLength] = row.slice(0, 3).map((cell) => Number(cell?.toString('latin1')));
  const data = bytesOf(engine, row[3] ?? Buffer.alloc(0));
  const gtrid = data.subarray(0, gtridLength);
  const bqual = data.subarray(gtridLength, (gtridLength ?? 0) + (bqualLength ?? 0));
  const isWhole = data.length === (gtridLength ?? -1) + (bqualLength ?? -1);
  return { gtrid, bqual, formatId, opened: isWhole && formatId === FORMAT_ID ? parse(gtrid, bqual) : undefined };
}

function bytesOf(engine: EngineKind, data: Buffer): Buffer {
  if (engine === 'mariadb') {
    return data;
  }
  const text = data.toString('latin1');
  return text.startsWith('0x') ? Buffer.from(text.slice(2), 'hex') : Buffer.alloc(0);
}

/** latin1 keeps every byte apart, so nothing that is not in the grammar turns into something that is. */
function parse(gtrid: Buffer, bqual: Buffer): EvidenceRow | undefined {
  const row = parseRow(`${gtrid.toString('latin1')}:${bqual.toString('latin1')}`);
  // A colon of theirs must not move the cut between the two parts.
  return row?.gtrid === gtrid.toString('latin1') ? row : undefined;
}
