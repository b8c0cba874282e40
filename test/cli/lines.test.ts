// Log lines where a reader is slow, stands still or is gone.
import { describe, expect, it } from 'vitest';
import { allTaken, type LineStream, OUTPUT_BYTES_MAX, openLines } from '../../src/cli/show/lines.ts';

class Reader implements LineStream {
  readonly lines: string[] = [];
  writableLength = 0;
  fail: (error: Error) => void = () => undefined;
  #taken: (() => void) | undefined;

  write(text: string, taken?: () => void): void {
    this.lines.push(text);
    this.#taken = taken;
  }

  on(_event: 'error', listener: (error: Error) => void): void {
    this.fail = listener;
  }

  take(): void {
    this.writableLength = 0;
    this.#taken?.();
  }
}

describe('lines (faults F101)', () => {
  it('are dropped while the reader is too far behind, and counted when it is back', () => {
    const reader = new Reader();
    const lines = openLines(reader);
    lines.write('one\n');
    reader.writableLength = OUTPUT_BYTES_MAX + 1;
    lines.write('two\n');
    lines.write('three\n');
    reader.writableLength = OUTPUT_BYTES_MAX;
    lines.write('four\n');
    expect([reader.lines[0], reader.lines[2]]).toEqual(['one\n', 'four\n']);
    expect(JSON.parse(reader.lines[1] ?? '')).toMatchObject({ level: 'warn', evt: 'lines-lost', count: 2 });
    expect(reader.lines).toHaveLength(3);
  });

  it('end with the stream that failed', () => {
    const reader = new Reader();
    const lines = openLines(reader);
    reader.fail(new Error('EPIPE'));
    lines.write('one\n');
    expect(reader.lines).toEqual([]);
  });

  it('are waited for at the end, for a second and no longer', async () => {
    const reader = new Reader();
    expect(await allTaken(reader)).toBe(true);
    reader.writableLength = 5;
    const begin = performance.now();
    expect(await allTaken(reader)).toBe(false);
    expect(performance.now() - begin).toBeGreaterThan(900);
    const waiting = allTaken(reader);
    reader.take();
    expect(await waiting).toBe(true);
  });
});
