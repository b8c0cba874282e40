// A log that is not the one which the databases have served: an old copy, or one beside the original. It is refused, durably, until a
// person adopts it with the list of what it lacks before them (D7, D8).
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Log, RecoveredLog } from '../../log/log.ts';
import type { LogRecord } from '../../log/record.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { EPOCH_LEAP_MAX, EPOCH_MAX, formatXid, type ResourceName } from '../../xa/xid.ts';
import type { Directory, Link } from '../calls/directory.ts';
import type { Driver } from '../driver/driver.ts';
import { isForgottenLife, isOwnLife, type LogAtEngine } from './known-logs.ts';

/** What an operator does about a refused log. */
const ADOPT_ADVICE =
  'find the newest log and start with that; if it is lost, look what this copy lacks with `concordat log adopt --dry-run`';

/** Resources that are heard of although this log has not registered them: it may lack their registration. */
const STRANGERS_MAX = 100;

interface LogCopyParts {
  readonly log: Log;
  readonly driver: Driver;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: EventLogger;
}

type Refusal = Extract<LogRecord, { kind: 'life-refused' }>;
type Served = Pick<LogAtEngine, 'epoch' | 'token'>;

interface Adoption {
  readonly operator: string;
  readonly reason: string;
  readonly requestId: string;
  readonly dryRun: boolean;
  /** Also while databases of the log have not told what they know: they are gone. */
  readonly incomplete: boolean;
}

function copyError(log: RecoveredLog, resource: ResourceName, served: Served): CoordinatorError {
  const life =
    served.epoch === log.epoch ? `another life with epoch ${served.epoch}` : `a life with epoch ${served.epoch}`;
  return new CoordinatorError(
    'EPOCH_STALE',
    `the database of ${resource} has served ${life} of the log ${log.identity}, which this copy of the log (epoch ${log.epoch}) does not know: it is an old copy, and nothing is decided by it. Next: ${ADOPT_ADVICE}`,
  );
}

function forgottenError(
  { identity, lives }: RecoveredLog,
  resource: ResourceName,
  { epoch }: Served,
): CoordinatorError {
  return new CoordinatorError(
    'EPOCH_LEAP',
    `the database of ${resource} has last served epoch ${epoch} of the log ${identity}, which is older than the ${lives?.length} lives that this log remembers, so that it cannot be known whether it was one of them. Next: if no copy of this log was ever started, let an administrator take the token of that life away (at PostgreSQL: update concordat.epoch set token = '' where identity = '${identity}'; at MySQL and MariaDB the same in concordat_epoch)`,
  );
}

export class LogCopy {
  readonly #parts: LogCopyParts;
  /** What databases have told of this log since this start, while it is refused. */
  readonly #heard = new Map<ResourceName, LogAtEngine | undefined>();
  readonly #refusals: Refusal[];
  /** Called when the log is refused in this start. */
  onRefused: () => void = () => undefined;

  constructor(parts: LogCopyParts) {
    this.#parts = parts;
    this.#refusals = [...(parts.log.recovered.refused ?? [])];
  }

  /** Why nothing is served, with what to do; undefined: the log may be used. */
  get refusal(): CoordinatorError | undefined {
    const [first] = this.#refusals;
    return first === undefined ? undefined : copyError(this.#parts.log.recovered, first.resource, first);
  }

  /**
   * Judges what a participant's database has served of this log. The first foreign life makes the log refused, durably.
   * @throws {CoordinatorError} EPOCH_STALE
   */
  judge({ resource }: Pick<Link, 'resource'>, logs: readonly LogAtEngine[]): void {
    const { log } = this.#parts;
    const served = logs.find(({ identity }) => identity === log.recovered.identity);
    const { refusal } = this;
    if (refusal !== undefined) {
      this.#hear(resource, served);
      throw refusal;
    }
    if (served !== undefined && served.epoch > 0 && isForgottenLife(log.recovered, served)) {
      // Not a reason to stop the others: that database alone is not served.
      throw forgottenError(log.recovered, resource, served);
    }
    if (served !== undefined && served.epoch > 0 && !isOwnLife(log.recovered, served)) {
      this.#hear(resource, served);
      throw this.refuse(resource, served);
    }
  }

  /** Of resources that this log has not registered only some are remembered: their names are whatever somebody said. */
  #hear(resource: ResourceName, served: LogAtEngine | undefined): void {
    const isKnown = this.#heard.has(resource) || this.#parts.directory.isRegistered(resource);
    if (isKnown || this.#heard.size < this.#parts.directory.all().length + STRANGERS_MAX) {
      this.#heard.set(resource, served);
    }
  }

  /** A database has refused this life. @returns what its participant is told. */
  refuse(resource: ResourceName, served: Served): CoordinatorError {
    const { log, driver, directory, clock, logger } = this.#parts;
    const error = copyError(log.recovered, resource, served);
    // Nobody's log rises so far: this is not believed, or a stranger could bring a log to its last epoch.
    if (this.#refusals.length > 0 || served.epoch > log.recovered.epoch + EPOCH_LEAP_MAX) {
      return error;
    }
    const { epoch, token } = served;
    const record: Refusal = { kind: 'life-refused', resource, epoch, token, wallTime: clock.wallTime() };
    this.#refusals.push(record);
    logger.fatal({ evt: 'log-refused', resource, epoch, message: error.message });
    driver.refuse(error);
    this.onRefused();
    for (const link of directory.all().flatMap(({ links }) => links)) {
      link.refuse(error);
    }
    // If it cannot be written the log has failed, which stops the process.
    log.append([record], 'forced').catch(() => undefined);
    return error;
  }

  /**
   * Takes this copy for the log from its next start on, above every epoch that is known, and with nothing presumed of the lives up to then.
   * @returns what the copy lacks and what would happen, one sentence each.
   * @throws {CoordinatorError} TXN_STATE: it is not refused, or not every database has told what it knows.
   */
  async adopt({ operator, reason, requestId, dryRun, incomplete }: Adoption): Promise<readonly string[]> {
    const { log, clock, logger } = this.#parts;
    const { recovered } = log;
    if (this.#refusals.length === 0) {
      throw new CoordinatorError('TXN_STATE', 'this log is not refused: there is nothing to adopt');
    }
    const served = [...this.#refusals, ...this.#heard.values()].map((one) => one?.epoch ?? 0);
    const lostTo = Math.max(recovered.epoch, ...served.filter((epoch) => epoch <= recovered.epoch + EPOCH_LEAP_MAX));
    const silent = this.#silent();
    const effects = [...this.lacks(), ...outlook(lostTo)];
    if (dryRun) {
      return effects;
    }
    if (silent.length > 0 && !incomplete) {
      throw new CoordinatorError(
        'TXN_STATE',
        `${silent.join(', ')} ${silent.length === 1 ? 'has' : 'have'} not said what this copy lacks; start the participants and look again, or give --incomplete if these databases are gone`,
      );
    }
    if (lostTo >= EPOCH_MAX) {
      throw new CoordinatorError('TXN_STATE', 'there is no epoch above those that the databases know');
    }
    const record: LogRecord = {
      ...{ kind: 'log-adopted', lostTo, operator, reason, requestId, wallTime: clock.wallTime() },
    };
    // Durable before its effect: whoever reads the log later sees who did it.
    await log.append([record], 'forced');
    logger.warn({ evt: 'log-adopted', lostTo, operator });
    return effects;
  }

  /** What the databases know and this copy does not, one sentence each. */
  lacks(): readonly string[] {
    const { log, directory } = this.#parts;
    const { epoch } = log.recovered;
    const told = new Set<string>([...directory.all().map(({ name }) => name), ...this.#heard.keys()]);
    const lines = [`This copy ends with epoch ${epoch}, record ${log.status().lastSequence}.`];
    for (const name of [...told].sort()) {
      const resource = name as ResourceName;
      const known = this.#heard.get(resource);
      const refusal = this.#refusals.find((one) => one.resource === name);
      const unknown = (known?.branches ?? []).filter(({ gtrid }) => log.outcome(gtrid).kind !== 'decided');
      if (!this.#heard.has(resource)) {
        lines.push(
          `${name}: has not said what it knows since this start${refusal ? `; it refused this copy with epoch ${refusal.epoch}` : ''}.`,
        );
      } else {
        const names = unknown.map((xid) => formatXid(xid)).join(', ');
        const branches = unknown.length === 0 ? 'no prepared branch' : `${unknown.length} prepared branches`;
        lines.push(
          `${name}: has served epoch ${known?.epoch ?? 0}, and holds ${branches} for which this copy has no decision${names && `: ${names}`}.`,
        );
      }
    }
    return lines;
  }

  /** Resources of this log whose databases have told nothing yet. */
  #silent(): readonly string[] {
    return this.#parts.directory
      .all()
      .map(({ name }) => name)
      .filter((name) => !this.#heard.has(name));
  }
}

function outlook(lostTo: number): readonly string[] {
  return [
    `Every decision of epochs up to ${lostTo} that is not in this copy is lost for it. Nothing is presumed of them: their prepared branches are kept and listed by \`concordat resource list\`, and you settle each with \`concordat tx resolve <id> --commit\` or \`--rollback\`.`,
    `The next start begins epoch ${lostTo + 1}, so that no id is given out again. The coordinator stops now; start it again.`,
  ];
}
