// What the coordinator needs of pino: one event name and ids on a line, never a payload.

export type LogFields = Readonly<Record<string, unknown>> & { readonly evt: string };

export interface Logger {
  debug(fields: LogFields): void;
  info(fields: LogFields): void;
  warn(fields: LogFields): void;
  error(fields: LogFields): void;
  fatal(fields: LogFields): void;
}
