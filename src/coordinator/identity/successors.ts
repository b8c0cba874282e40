// Another database in the place of a resource's former one: accepted by an operator, by name, when nothing is pending at the former.
import { unreachable } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Log } from '../../log/log.ts';
import type { LogRecord } from '../../log/record.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { quarantinedText } from '../../xa/quarantined.ts';
import { type Bqual, type Gtrid, type ResourceName, resourceOf } from '../../xa/xid.ts';
import type { Directory, KnownResource } from '../calls/directory.ts';
import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../driver/registry.ts';
import { isUnproven } from '../driver/unfinished.ts';
import { invalid } from '../edge/requests.ts';
import type { State } from '../engine/state.ts';
import type { Quarantine } from '../reports/quarantine.ts';

interface AcceptRequest {
  readonly resource: ResourceName;
  /** Undefined: the engine of the participant that was refused last. */
  readonly engineIdentity: string | undefined;
  readonly requestId: string;
  readonly operator: string;
  readonly reason: string;
  readonly dryRun: boolean;
}

/** A branch that only the engine where it was opened can finish. */
interface PendingWork {
  readonly gtrid: Gtrid;
  readonly bqual: Bqual;
  readonly state: State;
  readonly fix: string;
}

interface AcceptedSuccessor {
  readonly formerIdentity: string;
  readonly engineIdentity: string;
  /** Oldest first; empty unless it was a dry run. */
  readonly pending: readonly PendingWork[];
  readonly effects: readonly string[];
}

interface SuccessorsParts {
  readonly driver: Driver;
  readonly transactions: Registry;
  readonly directory: Directory;
  readonly quarantine: Quarantine;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: EventLogger;
}

/** As the record of a name that was let go has it: see `isLetGo`. */
const LET_GO = { engine: '', engineIdentity: '' };
/** Named in the message of a refusal; the dry run tells all. */
const NAMED_MAX = 5;

export class Successors {
  readonly #parts: SuccessorsParts;

  constructor(parts: SuccessorsParts) {
    this.#parts = parts;
  }

  /**
   * Written to the log before anything changes. A repeated request id changes nothing more.
   * @throws {CoordinatorError} RESOURCE_UNKNOWN; RESOURCE_IDENTITY: no other database asks for the name, or it has one of its own;
   *   RESOURCE_PENDING; RESOURCE_UNAVAILABLE: another acceptance is under way; LOG_FAILED.
   */
  async accept(request: AcceptRequest): Promise<AcceptedSuccessor> {
    const { directory } = this.#parts;
    const resource = directory.get(request.resource);
    if (resource === undefined) {
      const known = directory.all().map(({ name }) => name);
      const message = `no participant has registered ${request.resource}; known: ${known.join(', ') || 'none'}`;
      throw new CoordinatorError('RESOURCE_UNKNOWN', message);
    }
    const earlier = this.#accepted(request);
    if (earlier !== undefined) {
      return earlier;
    }
    const { engine, engineIdentity } = this.#successor(resource, request.engineIdentity);
    directory.checkName(resource.name, engineIdentity);
    const pending = this.#pending(resource.name);
    const formerIdentity = resource.engineIdentity;
    const effects = this.#effects(resource, engineIdentity);
    if (request.dryRun) {
      return { formerIdentity, engineIdentity, pending, effects };
    }
    if (pending.length > 0) {
      throw pendingError(resource.name, pending);
    }
    // No turn passes between the look and this: nobody can begin anything at the former database any more.
    await directory.succeed(resource.name, engine, engineIdentity, () =>
      this.#record(request, formerIdentity, { engine, engineIdentity }),
    );
    return { formerIdentity, engineIdentity, pending: [], effects };
  }

  /**
   * Lets a name go, and the identity of its engine: one that was registered by mistake or by a stranger refuses the right one for good. The
   * log keeps who did it and why. Once it is gone, a repetition finds nothing.
   * @throws {CoordinatorError} RESOURCE_UNKNOWN, RESOURCE_PENDING, LOG_FAILED.
   */
  async forget(
    request: Omit<AcceptRequest, 'engineIdentity'>,
  ): Promise<Pick<AcceptedSuccessor, 'engineIdentity' | 'effects'>> {
    const { directory } = this.#parts;
    const resource = directory.get(request.resource);
    if (resource === undefined) {
      throw new CoordinatorError('RESOURCE_UNKNOWN', `no participant has registered ${request.resource}`);
    }
    const pending = this.#pending(resource.name);
    if (pending.length > 0) {
      throw pendingError(resource.name, pending);
    }
    const { name, engineIdentity, links } = resource;
    const effects = [
      `${name} is no resource any more, and ${engineIdentity} has no name; the log keeps who did it and why`,
      ...(links.length === 0 ? [] : [`${links.length} participants are disconnected: ${links.map(wordOf).join(', ')}`]),
      `the first participant that attaches gets the name: stop those that must not have it; the sidecar of the right database registers the name again`,
      `what its database still holds prepared is not touched any more: look there for branches of ${name}`,
    ];
    if (!request.dryRun) {
      await directory.forget(name, () => this.#record(request, engineIdentity, undefined));
    }
    return { engineIdentity, effects };
  }

  /** The log holds this action already. @throws {CoordinatorError} REQUEST_ID_REUSED */
  #accepted({ resource, requestId, engineIdentity }: AcceptRequest): AcceptedSuccessor | undefined {
    const record =
      this.#newest.get(resource) ?? this.#parts.log.recovered.resources.find((one) => one.resource === resource);
    if (requestId === '' || record?.accepted?.requestId !== requestId) {
      return undefined;
    }
    if (engineIdentity !== undefined && engineIdentity !== record.engineIdentity) {
      const message = `request id ${requestId} was used to accept ${record.engineIdentity} as ${resource}`;
      throw new CoordinatorError('REQUEST_ID_REUSED', message);
    }
    return {
      formerIdentity: record.accepted.former,
      engineIdentity: record.engineIdentity,
      pending: [],
      effects: ['nothing more: the log holds this action already'],
    };
  }

  /** What this life has accepted, by resource. */
  readonly #newest = new Map<ResourceName, Extract<LogRecord, { kind: 'resource-registered' }>>();

  #successor({ name, engineIdentity, refused }: KnownResource, wanted: string | undefined) {
    if (wanted !== undefined && wanted === engineIdentity) {
      throw invalid('engine_identity', `is what ${name} is already: ${wanted}`);
    }
    const asking = refused?.link;
    if (asking === undefined || asking.engineIdentity === engineIdentity) {
      const copy =
        refused === undefined
          ? 'no participant of another database has asked for it'
          : `${refused.message}. A copy has the same identity: stop the participant of the other database, and this one takes part`;
      const next =
        refused === undefined ? '. Next: start the sidecar of the new database, which is refused, and repeat this' : '';
      throw new CoordinatorError('RESOURCE_IDENTITY', `${name} is ${engineIdentity}: ${copy}${next}`);
    }
    if (wanted !== undefined && wanted !== asking.engineIdentity) {
      const message = `the database that asks for ${name} is ${asking.engineIdentity} now, and you looked at ${wanted}`;
      throw new CoordinatorError('VERSION_CONFLICT', message);
    }
    return asking;
  }

  #pending(resource: ResourceName): readonly PendingWork[] {
    return [...this.#parts.transactions.all()]
      .sort((a, b) => a.openedAt - b.openedAt)
      .flatMap(({ gtrid, state }) =>
        openBranches(state)
          .filter((bqual) => resourceOf(bqual) === resource)
          .map((bqual) => ({ gtrid, bqual, state, fix: fixOf(gtrid, bqual, state) })),
      );
  }

  #effects({ name, engineIdentity, links }: KnownResource, successor: string): readonly string[] {
    const quarantined = this.#parts.quarantine.countAt(name);
    return [
      `${name} is ${successor} from now on, and ${engineIdentity} no more; the log keeps who did it and why`,
      ...(links.length === 0
        ? []
        : [
            `${links.length} participants of the former database are refused from now on: ${links.map(wordOf).join(', ')}`,
          ]),
      'the sidecar of the new database takes part as soon as it asks again: within seconds if it runs, or when it is started again',
      `what the former database still holds prepared is not touched any more: look there for branches of ${name} and roll them back by hand` +
        (quarantined > 0 ? `; of them were quarantined: ${quarantinedText(quarantined)}` : ''),
    ];
  }

  async #record(
    { resource, operator, reason, requestId }: Omit<AcceptRequest, 'engineIdentity'>,
    former: string,
    successor: { readonly engine: string; readonly engineIdentity: string } | undefined,
  ): Promise<void> {
    const { driver, log, clock, logger } = this.#parts;
    driver.ensureUsable(); // Nothing but its adoption is written to a refused log.
    const accepted = { former, operator, reason, requestId, wallTime: clock.wallTime() };
    const record = { kind: 'resource-registered', resource, ...(successor ?? LET_GO), accepted } as const;
    await log.append([record], 'forced');
    this.#newest.set(resource, record);
    const evt = successor === undefined ? 'resource-forgotten' : 'resource-accepted';
    logger.warn({
      evt,
      resource,
      ...(successor && { engineIdentity: successor.engineIdentity }),
      former,
      operator,
      reason,
    });
  }
}

/** Branches of which the engine that holds them must still be asked or told something. */
function openBranches(state: State): readonly Bqual[] {
  switch (state.kind) {
    case 'active':
    case 'preparing':
      return state.branches.map(({ bqual }) => bqual);
    case 'one-phase':
      return [state.branch.bqual];
    case 'completed':
      return [];
    case 'deciding':
    case 'committing':
    case 'rolling-back':
      return state.branches.filter(isUnproven).map(({ bqual }) => bqual);
    default:
      return unreachable(state);
  }
}

function fixOf(gtrid: Gtrid, bqual: Bqual, state: State): string {
  switch (state.kind) {
    case 'active':
    case 'preparing':
      return `wait for its client, or run: concordat tx resolve ${gtrid} --rollback --reason '…'`;
    case 'committing':
      return (
        `start the sidecar at the former database, or, if that is gone for ever, find out how the branch ended and run: ` +
        `concordat tx resolve ${gtrid} --branch ${bqual} --committed|--rolled-back --reason '…'`
      );
    case 'one-phase':
    case 'deciding':
    case 'rolling-back':
    case 'completed':
      return `wait: it ends by itself, within a minute. concordat tx explain ${gtrid}`;
    default:
      return unreachable(state);
  }
}

function pendingError(resource: ResourceName, pending: readonly PendingWork[]): CoordinatorError {
  const named = pending
    .slice(0, NAMED_MAX)
    .map(({ gtrid, bqual, state, fix }) => `${gtrid} ${bqual} (${state.kind}): ${fix}`);
  const more = pending.length > NAMED_MAX ? `; and ${pending.length - NAMED_MAX} more` : '';
  const message = `${pending.length} branches are pending at the former database of ${resource}: ${named.join('; ')}${more}`;
  return new CoordinatorError('RESOURCE_PENDING', message);
}

function wordOf({ instance, address }: { readonly instance: string; readonly address: string }): string {
  return address === '' ? instance : address;
}
