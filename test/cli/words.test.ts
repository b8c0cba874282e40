// Durations, sizes, escaping and tables: what people type and what they read.
import { describe, expect, it } from 'vitest';
import { openConsole, type Streams } from '../../src/cli/show/console.ts';
import { formatBytes, formatDuration, formatMicros, parseDurationMs } from '../../src/cli/show/duration.ts';
import { printable, printableJson } from '../../src/cli/show/escape.ts';
import { ansi, plain } from '../../src/cli/show/paint.ts';
import { renderFields, renderTable, type TableColumn } from '../../src/cli/show/table.ts';

describe('durations', () => {
  it.each([
    ['90s', 90_000],
    ['1h', 3_600_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['5m', 300_000],
    ['2d', 172_800_000],
    ['0s', 0],
    ['1m5ms', 60_005],
  ])('%s is read as %d milliseconds (faults B72)', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(['yesterday', '-1h', '9999y', '', '90', '1.5h', '1h ', ' 1h', '1H', '30m1h', '4000d', '1e3s', '999999999d'])(
    '%j is refused (faults B72)',
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined();
    },
  );

  it('are shown with at most two units', () => {
    const shown = [0, 850, 999.6, 3_250, 59_990, 60_000, 200_000, 3_600_000, 7_500_000, 356_400_000].map(
      formatDuration,
    );
    expect(shown).toEqual([
      '0 ms',
      '850 ms',
      '999 ms',
      '3.2 s',
      '59.9 s',
      '1m 0s',
      '3m 20s',
      '1h 0m',
      '2h 5m',
      '4d 3h',
    ]);
    expect([0, 850, 2_500, 250_000].map(formatMicros)).toEqual(['0 µs', '850 µs', '2.5 ms', '250 ms']);
    expect([0, 1_023, 1_024, 1_572_864, 53_687_091_200].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 MiB',
      '50.0 GiB',
    ]);
  });
});

describe('text of others', () => {
  it.each([
    ['a\u001b[31mred', 'a\\x1b[31mred'],
    ['two\nlines\r\t', 'two\\nlines\\r\\t'],
    ['\u009b31m', '\\x9b31m'],
    ['abc\u202egnp.exe', 'abc\\u{202e}gnp.exe'],
    ['zero\u200bwidth\ufeff', 'zero\\u{200b}width\\u{feff}'],
    ['lone \ud800 surrogate', 'lone \\u{d800} surrogate'],
    ['nul\0 del\u007f', 'nul\\x00 del\\x7f'],
    ['straße 東京 😀', 'straße 東京 😀'],
  ])('%j is shown and not obeyed (faults B04)', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('is safe inside JSON and reads back unchanged (faults B04)', () => {
    const text = 'a\u001b\u009b\u202e\u2028\u{e0041}\n😀';
    const json = printableJson({ text }, 0);
    expect(json).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
    expect(JSON.parse(json)).toEqual({ text });
  });
});

interface Row {
  readonly id: string;
  readonly count: number;
}
const COLUMNS: readonly TableColumn<Row>[] = [
  { header: 'ID', value: (row) => row.id },
  {
    header: 'COUNT',
    value: (row) => String(row.count),
    align: 'right',
    tone: (row) => (row.count > 9 ? 'bad' : undefined),
  },
];
const ROWS: readonly Row[] = [
  { id: 'first\u001b', count: 1 },
  { id: 'x', count: 12 },
];

describe('tables', () => {
  it.each([20, 500, Number.POSITIVE_INFINITY])(
    'stand side by side where they fit, here in %d columns (faults B69)',
    (width) => {
      expect(renderTable(COLUMNS, ROWS, { width, paint: plain })).toBe(
        'ID         COUNT\nfirst\\x1b      1\nx             12\n',
      );
    },
  );

  it('go one field to a line where they do not fit, and lose nothing (faults B69)', () => {
    expect(renderTable(COLUMNS, ROWS, { width: 15, paint: plain })).toBe(
      'ID     first\\x1b\nCOUNT  1\n\nID     x\nCOUNT  12\n',
    );
  });

  it('are as wide with colour as without', () => {
    const colored = renderTable(COLUMNS, ROWS, { width: 80, paint: ansi });
    expect(colored).toContain('\u001b[31m12\u001b[39m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: removing the colours is the point.
    expect(colored.replace(/\u001b\[\d+m/g, '')).toBe(renderTable(COLUMNS, ROWS, { width: 80, paint: plain }));
  });

  it('escape what they show, as fields do (faults B04)', () => {
    expect(renderFields([['Path', '/tmp/a\nb']], { width: 80, paint: plain })).toBe('Path  /tmp/a\\nb\n');
  });
});

describe('the console', () => {
  function consoleOf(
    stdout: { isTTY?: boolean; columns?: number },
    env: Readonly<Record<string, string>>,
    color = true,
  ) {
    const streams: Streams = {
      stdin: { isTTY: true },
      stdout: { ...stdout, write: () => true },
      stderr: { isTTY: true, write: () => true },
    };
    return openConsole({ output: 'table', color, input: true, quiet: false, verbose: false }, streams, env);
  }
  const colored = (...args: Parameters<typeof consoleOf>): boolean =>
    consoleOf(...args).layout.paint('bad', 'x') !== 'x';

  it.each([
    ['a terminal', { isTTY: true }, {}, true],
    ['a pipe', {}, {}, false],
    ['NO_COLOR=1', { isTTY: true }, { NO_COLOR: '1' }, false],
    // no-color.org: only a variable that is not empty counts.
    ['an empty NO_COLOR', { isTTY: true }, { NO_COLOR: '' }, true],
    ['TERM=dumb', { isTTY: true }, { TERM: 'dumb' }, false],
  ])('decides about colour for %s (faults B69)', (_, stdout, env, expected) => {
    expect(colored(stdout, env)).toBe(expected);
  });

  it('has no colour with --no-color', () => {
    expect(colored({ isTTY: true }, {}, false)).toBe(false);
  });

  it.each([
    ['a terminal of 20', { isTTY: true, columns: 20 }, {}, 20],
    ['a terminal of 0', { isTTY: true, columns: 0 }, {}, Number.POSITIVE_INFINITY],
    ['a pipe', {}, {}, Number.POSITIVE_INFINITY],
    ['COLUMNS=500', { isTTY: true, columns: 20 }, { COLUMNS: '500' }, 500],
    ['COLUMNS=0', { isTTY: true, columns: 20 }, { COLUMNS: '0' }, 20],
    ['COLUMNS=wide', { isTTY: true, columns: 20 }, { COLUMNS: 'wide' }, 20],
  ])('knows the width of %s (faults B69)', (_, stdout, env, expected) => {
    expect(consoleOf(stdout, env).layout.width).toBe(expected);
  });

  it('marks checks without special characters on a dumb terminal (faults B69)', () => {
    expect(consoleOf({ isTTY: true }, { TERM: 'dumb' }).marks).toEqual({ good: 'ok  ', bad: 'FAIL', warning: 'warn' });
  });
});
