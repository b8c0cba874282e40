// What of a coordinator is not its transport: the driver and everything that serves over it, recovered. gRPC stands before it in the
// server, a simulated network in the simulator.
import type { Clock } from '../lib/clock.ts';
import type { EventLogger } from '../lib/logger.ts';
import type { Random } from '../lib/random.ts';
import type { Log } from '../log/log.ts';
import { PARTICIPANTS_MAX } from '../xa/limits.ts';
import { ApplicationApi } from './applications/application-api.ts';
import { ClientSessions } from './applications/client-session.ts';
import { Operations } from './applications/operations.ts';
import { Calls } from './calls/calls.ts';
import { Directory } from './calls/directory.ts';
import { EvidenceRows } from './calls/evidence-rows.ts';
import { UnreachedBranches } from './calls/unreached.ts';
import { Driver } from './driver/driver.ts';
import { Leases } from './driver/leases.ts';
import { recover, registerKnown } from './driver/recovery.ts';
import { Registry } from './driver/registry.ts';
import { isAccountedFor } from './driver/traces.ts';
import type { Holder } from './driver/transaction.ts';
import { Places } from './edge/places.ts';
import type { Alarm } from './identity/alarm.ts';
import { alarmsOf } from './identity/alarms.ts';
import { LogCopy } from './identity/log-copy.ts';
import { OtherLogs } from './identity/other-logs.ts';
import { Successors } from './identity/successors.ts';
import { Witness } from './identity/witness.ts';
import { AdminApi } from './operators/admin-api.ts';
import { Resolutions } from './operators/resolutions.ts';
import type { ParticipantParts, ParticipantSession } from './participants/session.ts';
import { AbsentTransactions } from './reports/absent.ts';
import { LostDecisions } from './reports/lost-decisions.ts';
import { Quarantine } from './reports/quarantine.ts';
import { Reports } from './reports/reports.ts';

interface CoreOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: EventLogger;
  readonly defaultTimeoutMs: number;
  readonly openTransactionsMax: number;
  readonly outcomesMax: number;
  /** Other logs that its databases may have served before: identities, or `any`. */
  readonly besideLogs?: readonly string[];
}

export interface Core {
  /** Whether the log is the one that the databases have served: nothing is served by another. */
  readonly copy: LogCopy;
  readonly alarms: () => readonly Alarm[];
  readonly driver: Driver;
  /** What participants were asked, and have not answered. */
  readonly calls: Calls;
  /** Those that are held. */
  readonly transactions: Registry;
  readonly directory: Directory;
  readonly operations: Operations;
  readonly application: ApplicationApi;
  readonly admin: AdminApi;
  readonly sessions: ClientSessions;
  /** What a `ParticipantSession` is given. */
  readonly participants: ParticipantParts;
}

/** Recovery has been through it: until the log's decisions are in memory, a prepared branch would look like nobody's. */
export function openCore(options: CoreOptions): Core {
  const { log, clock, random, logger, openTransactionsMax, defaultTimeoutMs, outcomesMax } = options;
  const { identity, epoch } = log.recovered;
  const directory = new Directory();
  const transactions = new Registry(outcomesMax);
  const evidence = new EvidenceRows(directory, clock, (row) => isAccountedFor(row, log, transactions));
  const calls: Calls = new Calls(directory, clock, (gtrid, event) => driver.heard(gtrid, event));
  const unreached = new UnreachedBranches(calls);
  const driver = new Driver({
    ...{ log, clock, random, directory, logger },
    ...{ transactions, calls, evidence, unreached },
  });
  const leases = new Leases(identity, epoch);
  const operations = new Operations({ driver, transactions, directory, leases, log, clock, openTransactionsMax });
  const mayBegin = (holder: Holder): boolean => operations.mayBegin(holder);
  const quarantine = new Quarantine(clock, logger);
  const lost = new LostDecisions({ driver, log, quarantine });
  const absent = new AbsentTransactions({
    ...{ driver, calls, evidence, transactions, leases, log, logger, quarantine, defaultTimeoutMs, mayBegin },
  });
  const reports = new Reports({ driver, transactions, calls, unreached, absent, quarantine, log, logger });
  const others = new OtherLogs({ log, directory, beside: options.besideLogs ?? [], clock });
  const copy = new LogCopy({ log, driver, directory, clock, logger });
  const application = new ApplicationApi({ operations, clock, defaultTimeoutMs });
  const resolutions = new Resolutions({ driver, transactions, directory, log, quarantine, lost, clock, logger });
  const successors = new Successors({ driver, transactions, directory, quarantine, log, clock, logger });
  const admin = new AdminApi({
    driver,
    transactions,
    directory,
    find: (gtrid) => operations.find(gtrid, []),
    resolutions,
    successors,
    quarantine,
    copy,
    others,
    clock,
    log,
  });
  const sessions = new ClientSessions({
    ...{ api: application, driver, transactions, leases, directory, identity, epoch, defaultTimeoutMs, clock, logger },
  });
  const witness = new Witness({ directory, clock, random, logger });
  const places = new Places<ParticipantSession>(PARTICIPANTS_MAX, 'participants');
  const participants = { places, directory, witness, copy, others, reports, log, clock, logger };
  const { refusal } = copy;
  if (refusal === undefined) {
    recover({ log, driver, transactions, directory, logger });
  } else {
    registerKnown(log, directory);
    driver.refuse(refusal);
    logger.fatal({ evt: 'log-refused', message: refusal.message });
  }
  const alarms = (): readonly Alarm[] => alarmsOf({ copy, others, quarantine, directory });
  return {
    copy,
    alarms,
    driver,
    calls,
    transactions,
    directory,
    operations,
    application,
    admin,
    sessions,
    participants,
  };
}
