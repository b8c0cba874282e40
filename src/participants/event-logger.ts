// Where a participant's events go: event names and ids, never statements or rows. pino fits; so does a list in a simulation.

export type EventFields = Readonly<Record<string, unknown>> & {
  /** The event's name, for instance `attached`; operators search for it. */
  readonly evt: string;
};

export interface EventLogger {
  debug(fields: EventFields): void;
  info(fields: EventFields): void;
  warn(fields: EventFields): void;
  error(fields: EventFields): void;
}
