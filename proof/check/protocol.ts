// What is checked: the coordinator's own functions, imported. A planted bug is one of these wrapped; nothing is copied.
import type { Event, Step } from '../../src/coordinator/engine/event.ts';
import { hearing, routeOf } from '../../src/coordinator/engine/routing.ts';
import type { State } from '../../src/coordinator/engine/state.ts';
import { step } from '../../src/coordinator/engine/step.ts';
import type { LogRecord } from '../../src/log/record.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import type { Admission } from './doors.ts';
import { HONEST, type Participant } from './honesty.ts';

export interface Protocol {
  readonly step: (state: State, event: Event) => Step<State>;
  /** Instead of production's recovery: what a restart makes of the records of the transaction. */
  readonly recovered?: (gtrid: Gtrid, records: readonly LogRecord[]) => Step<State> | undefined;
  /** What becomes of a transaction that `Reports` takes in: production takes it as it is. */
  readonly admitted: (admission: Admission) => Admission;
  /** What is done when the log could not be forced. Production has no answer to that: the process stops. */
  readonly forceFailed?: (state: State) => Step<State> | undefined;
  readonly participant: Participant;
  /** Who is told a call. */
  readonly route: typeof routeOf;
  /** Whose answers count, of two instances. */
  readonly hearing: typeof hearing;
}

export const PRODUCTION: Protocol = {
  step,
  admitted: (admitted) => admitted,
  participant: HONEST,
  route: routeOf,
  hearing,
};
