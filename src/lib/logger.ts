// Where events go: event names and ids, never payloads, statements or rows. pino fits; so does a list in a simulation.

export type LogFields = Readonly<Record<string, unknown>> & {
  /** The event's name, for instance `attached`; operators search for it. */
  readonly evt: string;
};

export interface EventLogger {
  debug(fields: LogFields): void;
  info(fields: LogFields): void;
  warn(fields: LogFields): void;
  error(fields: LogFields): void;
  /** The process ends because of it. */
  fatal(fields: LogFields): void;
}
