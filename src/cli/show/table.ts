// Tables for people. Nothing is ever cut off: what does not fit side by side goes one field to a line.
import { printable } from './escape.ts';
import type { Paint, Tone } from './paint.ts';

export interface TableColumn<Row> {
  readonly header: string;
  /** Any text; it is made printable here. */
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
  readonly tone?: (row: Row) => Tone | undefined;
}

export interface Layout {
  /** Columns of the terminal; Infinity when the output is not for one. */
  readonly width: number;
  readonly paint: Paint;
}

const GAP = '  ';

/** Lines, each ending in a newline. An empty table has its header only. */
export function renderTable<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[], layout: Layout): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))));
  const widths = columns.map((column, index) =>
    Math.max(column.header.length, ...cells.map((line) => length(line[index] ?? ''))),
  );
  const total = widths.reduce((sum, width) => sum + width, GAP.length * (columns.length - 1));
  if (total > layout.width && rows.length > 0) {
    return renderRecords(columns, rows, layout);
  }
  const header = columns.map((column, index) => pad(column.header, widths[index] ?? 0, column.align));
  const lines = [layout.paint('strong', header.join(GAP).trimEnd())];
  for (const [rowIndex, row] of rows.entries()) {
    const line = columns.map((column, index) => {
      const text = cells[rowIndex]?.[index] ?? '';
      return paintPadded(layout.paint, column.tone?.(row), text, pad(text, widths[index] ?? 0, column.align));
    });
    lines.push(line.join(GAP).trimEnd());
  }
  return `${lines.join('\n')}\n`;
}

function renderRecords<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[], layout: Layout): string {
  const records = rows.map((row) =>
    renderFields(
      columns.map((column) => [column.header, column.value(row), column.tone?.(row)] as const),
      layout,
    ),
  );
  return records.join('\n');
}

/** `Name  value` lines for one thing. Values are made printable here. */
export function renderFields(
  fields: readonly (readonly [name: string, value: string, tone?: Tone | undefined])[],
  layout: Layout,
): string {
  const nameWidth = Math.max(0, ...fields.map(([name]) => name.length));
  const lines = fields.map(([name, value, tone]) => {
    const text = printable(value);
    return `${layout.paint('strong', name)}${' '.repeat(nameWidth - name.length)}${GAP}${paintPadded(layout.paint, tone, text, text)}`.trimEnd();
  });
  return lines.map((line) => `${line}\n`).join('');
}

function paintPadded(paint: Paint, tone: Tone | undefined, text: string, padded: string): string {
  return tone === undefined || text === '' ? padded : padded.replace(text, () => paint(tone, text));
}

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, width - length(text)));
  return align === 'right' ? fill + text : text + fill;
}

/** Columns that a printable text takes, counting each code point as one. */
function length(text: string): number {
  return Array.from(text).length;
}
