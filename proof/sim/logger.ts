// Where simulated processes log to: the trace, and the judges, who count what must not be said.
import type { Host } from './host.ts';

export type Fields = Readonly<Record<string, unknown>> & { readonly evt: string };

type Say = (fields: Fields) => void;

export interface Events {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
  readonly fatal: Say;
}

export function eventsTo(host: Host, heard: Say = () => undefined): Events {
  const { trace } = host.world;
  const at =
    (level: string): Say =>
    (fields) => {
      heard(fields);
      trace.say(host.name, `log ${level}`, fields);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') };
}
