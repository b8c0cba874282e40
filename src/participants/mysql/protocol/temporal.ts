// Dates and times of the binary protocol, written as the server writes them in text: nothing passes through a JavaScript Date.
import type { ColumnDefinition, Cursor } from './packets.ts';
import { TYPE } from './types.ts';

/** The fraction has as many digits as the value needs. */
const NOT_FIXED = 31;

export function readDate(cursor: Cursor, column: ColumnDefinition): string {
  const length = cursor.uint(1);
  const end = cursor.offset + length;
  const [year, month, day] = length >= 4 ? [cursor.uint(2), cursor.uint(1), cursor.uint(1)] : [0, 0, 0];
  const [hour, minute, second] = length >= 7 ? [cursor.uint(1), cursor.uint(1), cursor.uint(1)] : [0, 0, 0];
  const micros = length >= 11 ? cursor.uint(4) : 0;
  cursor.offset = end;
  const date = `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
  return column.type === TYPE.DATE ? date : `${date} ${clock(hour, minute, second, micros, column)}`;
}

export function readTime(cursor: Cursor, column: ColumnDefinition): string {
  const length = cursor.uint(1);
  const end = cursor.offset + length;
  const negative = length >= 8 && cursor.uint(1) === 1;
  const days = length >= 8 ? cursor.uint(4) : 0;
  const [hour, minute, second] = length >= 8 ? [cursor.uint(1), cursor.uint(1), cursor.uint(1)] : [0, 0, 0];
  const micros = length >= 12 ? cursor.uint(4) : 0;
  cursor.offset = end;
  return `${negative ? '-' : ''}${clock(days * 24 + hour, minute, second, micros, column)}`;
}

function clock(hour: number, minute: number, second: number, micros: number, column: ColumnDefinition): string {
  const digits = column.decimals === NOT_FIXED ? (micros === 0 ? 0 : 6) : Math.min(column.decimals, 6);
  const fraction = digits === 0 ? '' : `.${pad(micros, 6).slice(0, digits)}`;
  return `${pad(hour)}:${pad(minute)}:${pad(second)}${fraction}`;
}

function pad(value: number, digits = 2): string {
  return value.toString().padStart(digits, '0');
}
