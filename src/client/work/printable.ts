// Words for the operator who looks later, as the coordinator takes them: printable and short, whatever an application gave.
import { ROLLBACK_REASON_CHARS_MAX } from '../../xa/limits.ts';

const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** Never more than the coordinator takes, so that a long or odd reason never stands in the way of a rollback. */
export function printableReason(reason: string): string {
  return [...reason.replace(UNPRINTABLE, ' ')].slice(0, ROLLBACK_REASON_CHARS_MAX).join('');
}
