// The log lines of a program: JSON for machines; the same events as short lines when a person looks on.
import { type Logger, pino } from 'pino';
import type { LogLevel } from '../../lib/setting.ts';
import type { Console } from '../show/console.ts';
import { printable } from '../show/escape.ts';
import { openLines } from '../show/lines.ts';

/** What was logged before a crash is out of the process, as far as somebody reads it; nobody waits for that (`openLines`). */
export function openLogger(level: LogLevel, console: Pick<Console, 'terminal' | 'layout'>): Logger {
  const options = { level, base: null, serializers: { err: pino.stdSerializers.err } };
  if (!console.terminal) {
    return pino({ ...options, formatters: { level: (label) => ({ level: label }) } }, openLines(process.stdout));
  }
  const { paint } = console.layout;
  return pino(options, {
    write(line) {
      const { time, level: severity, evt, ...fields } = JSON.parse(line) as Readonly<Record<string, unknown>>;
      const clock = new Date(Number(time)).toTimeString().slice(0, 8);
      const label = pino.levels.labels[Number(severity)] ?? '?';
      const rest = Object.entries(fields).map(([name, value]) => `${name}=${spell(value)}`);
      const text = [clock, label.padEnd(5), String(evt ?? ''), ...rest].map(printable).join(' ');
      process.stdout.write(`${Number(severity) >= WARN ? paint('warning', text) : text}\n`);
    },
  });
}

const WARN = 40;

function spell(value: unknown): string {
  return typeof value === 'string' && !/[\s="]/.test(value) ? value : JSON.stringify(value);
}
