// Turns the payloads of a log image into what its records mean. A chain that verifies can still hold what is not understood.
import type { NumberedRecord } from '../../codec.ts';
import { decodeLine } from '../../codec.ts';
import { Ledger } from '../../ledger.ts';
import type { Decoded } from '../../record-json.ts';
import type { Problem } from './chains.ts';
import type { LogImage } from './inspect.ts';

/** Lines decoded between two turns of the event loop: a few milliseconds. */
const LINES_PER_TURN = 1_000;

type Replayed =
  | { readonly kind: 'replayed'; readonly ledger: Ledger; readonly lines: number }
  | { readonly kind: 'refused'; readonly problem: Problem };

/** Reads the journal of an image into a ledger, in slices, so that no timer is late. Never rejects. */
export async function replay(image: LogImage): Promise<Replayed> {
  const ledger = new Ledger(image.life.identity);
  let lines = 0;
  for (const frame of image.frames) {
    const decoded = decodePayload(frame.payload);
    if (decoded.kind !== 'ok') {
      return { kind: 'refused', problem: decodingProblem(decoded, `frame ${frame.number}`) };
    }
    if (decoded.value.length !== frame.records) {
      return refused(`frame ${frame.number} has ${decoded.value.length} records instead of ${frame.records}`);
    }
    for (const numbered of decoded.value) {
      if (numbered.sequence > frame.last) {
        return refused(`record ${numbered.sequence} lies in frame ${frame.number}, which ends at ${frame.last}`);
      }
      const contradiction = ledger.add(numbered, { place: frame.number, epoch: frame.epoch });
      if (contradiction !== undefined) {
        return refused(contradiction);
      }
      lines += 1;
      if (lines % LINES_PER_TURN === 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }
  return { kind: 'replayed', ledger, lines };
}

/** The records of a frame's or a segment's payload: one line each. */
export function decodePayload(payload: Uint8Array): Decoded<readonly NumberedRecord[]> {
  const records: NumberedRecord[] = [];
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
  for (const line of text === '' ? [] : text.split('\n')) {
    const decoded = decodeLine(line);
    if (decoded.kind !== 'ok') {
      return decoded;
    }
    records.push(decoded.value);
  }
  return { kind: 'ok', value: records };
}

export function decodingProblem(decoded: Exclude<Decoded<unknown>, { kind: 'ok' }>, where: string): Problem {
  return decoded.kind === 'newer'
    ? { code: 'LOG_NEWER', message: `${where}: ${decoded.why}: a newer version wrote it` }
    : { code: 'LOG_DAMAGED', message: `${where}: ${decoded.why}` };
}

function refused(message: string): Replayed {
  return { kind: 'refused', problem: { code: 'LOG_DAMAGED', message } };
}
