// Whose transaction it is, when it was begun and when it was decided: for people, and in the log with the decision.
import type { LogRecord, Origin, Whose } from '../../log/record.ts';
import type { AdmitOptions, HeldTransaction, KnownOrigin } from './transaction.ts';

type Decided = Extract<LogRecord, { kind: 'decided' }>;

/** @param wallTime now. @returns what is known of a transaction that is taken in, and for how long there has been one. */
export function originOf(
  { origin, owner, holder }: AdmitOptions,
  wallTime: number,
): KnownOrigin & { readonly ageMs: number } {
  const beganAt = Math.min(origin?.beganAt ?? wallTime, wallTime); // The clock may have been set back since.
  const whose = origin?.whose ?? owner?.whose ?? (typeof holder === 'string' ? callerAlone(holder) : undefined);
  return {
    ageMs: wallTime - beganAt,
    beganAt,
    ...(origin && { decidedAt: origin.decidedAt }),
    ...(whose && { whose }),
  };
}

/** A unary caller says nothing of itself but its token or its connection. */
function callerAlone(session: string): Whose {
  return { application: '', host: '', user: '', session };
}

/** The record of a decision that is made now, with what is known of its transaction; which knows it, too, from now on. */
export function withOrigin(transaction: HeldTransaction, record: Decided, wallTime: number): Decided {
  const { beganAt = wallTime, whose } = transaction.origin;
  const origin: Origin = { beganAt, decidedAt: wallTime, ...(whose && { whose }) };
  transaction.origin = origin;
  return { ...record, origin };
}

/** When and by whom it was begun, if the log has its decision. */
export function originIn(records: readonly LogRecord[]): Origin | undefined {
  return records.find((record) => record.kind === 'decided')?.origin;
}
