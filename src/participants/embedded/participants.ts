// The participants inside this process: one for each resource that the application enlists connections of, attached when first needed.

import type { Clock } from '../../lib/clock.ts';
import type { EventLogger, LogFields } from '../../lib/logger.ts';
import type { Random } from '../../lib/random.ts';
import { within } from '../../lib/wait.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { newOpening, type Opening, rowEvidence } from '../../xa/evidence.ts';
import { IDLE_GRACE_MS } from '../../xa/times.ts';
import type { Isolation } from '../../xa/vocabulary.ts';
import { parseResourceName, type ResourceName, type Xid } from '../../xa/xid.ts';
import { dialGrpc } from '../attach/grpc-dial.ts';
import type { ApplicationBranch } from '../lent/application-branch.ts';
import { mysqlConnection } from '../mysql/protocol/driver.ts';
import { type AdoptedBranch, openParticipantRuntime, type ParticipantRuntime } from '../runtime/runtime.ts';
import { type ApplicationConnection, recognise } from './connection.ts';
import { type EmbeddedManager, openEmbeddedManager } from './embedded-manager.ts';

/** Branches of one application at one resource; its own pool is the real limit. */
const BRANCHES_MAX = 10_000;
/** How long prepared branches may take to be finished when the client is closed; a sidecar finishes the rest. */
const DRAIN_MS = 5_000;

interface EmbeddedSettings {
  /** The coordinator's host and port. */
  readonly address: string;
  /** How long a participant may take to attach. */
  readonly connectTimeoutMs: number;
  readonly logger: EventLogger;
  readonly clock: Clock;
  readonly random: Random;
}

/** A branch that was given its name, and how long it has from now. */
export interface NamedBranch {
  readonly xid: Xid;
  readonly timeoutMs: number;
}

interface EnlistRequest {
  /** Called with the participant that will hold the branch. */
  readonly name: (instance: string) => NamedBranch | Promise<NamedBranch>;
  readonly connection: object;
  readonly url: string | undefined;
  readonly isolation: Isolation;
  readonly readOnly: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A connection at work in a transaction. */
export interface LentConnection {
  readonly instance: string;
  readonly branch: ApplicationBranch;
  readonly adopted: AdoptedBranch;
}

interface Participant {
  readonly runtime: ParticipantRuntime;
  readonly manager: EmbeddedManager;
  /** The newest thing that went wrong, for whoever waits for the attachment. */
  readonly problem: () => string;
}

/** Made at the first enlisting; disposing it finishes what is prepared, for a while, and rolls back the rest. */
export class EmbeddedParticipants implements AsyncDisposable {
  readonly #settings: EmbeddedSettings;
  readonly #participants = new Map<ResourceName, Promise<Participant>>();
  /** The application's connections, and which engine each was found to belong to. */
  readonly #connections = new WeakMap<object, { readonly connection: ApplicationConnection; identity?: string }>();

  constructor(settings: EmbeddedSettings) {
    this.#settings = settings;
  }

  /**
   * Opens a branch on the application's connection.
   * @throws {TypeError} the connection cannot take part.
   * @throws {CoordinatorError} RESOURCE_UNAVAILABLE, RESOURCE_IDENTITY, or what the coordinator refused the participant with.
   * @throws {EngineError} the database did not open the branch. Nothing is open after any of them.
   */
  async enlist(resource: string, request: EnlistRequest): Promise<LentConnection> {
    const name = parseResourceName(resource);
    if (name === undefined) {
      throw new TypeError(`not the name of a resource: ${resource}`);
    }
    // A pool of mysql2 wraps the same connection anew each time that it lends it.
    const key = mysqlConnection(request.connection) ?? request.connection;
    const known = this.#connections.get(key) ?? { connection: recognise(request.connection, this.#settings) };
    this.#connections.set(key, known);
    const participant = await this.#participant(name, known.connection, request);
    await checkIdentity(name, known, participant);
    return await open(known.connection, participant, request, newOpening(this.#settings.random));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#participants.values());
    await Promise.allSettled(opened.map((result) => (result.status === 'fulfilled' ? close(result.value) : undefined)));
  }

  async #participant(
    name: ResourceName,
    connection: ApplicationConnection,
    request: EnlistRequest,
  ): Promise<Participant> {
    let opening = this.#participants.get(name);
    if (opening === undefined) {
      opening = this.#attach(name, connection, request.url);
      this.#participants.set(name, opening);
      // The next enlisting tries again: a wrong setting may have been fixed.
      opening.catch(() => this.#participants.delete(name));
    }
    const { clock, connectTimeoutMs: timeoutMs } = this.#settings;
    const late = (): CoordinatorError => unavailable(name, 'it does not come up');
    return await within(opening, { clock, timeoutMs: timeoutMs + 1_000, signal: request.signal }, late);
  }

  async #attach(name: ResourceName, connection: ApplicationConnection, url: string | undefined): Promise<Participant> {
    const { clock, random, address, connectTimeoutMs } = this.#settings;
    const manager = openEmbeddedManager(await connection.openManager(url));
    const refused = Promise.withResolvers<never>();
    let problem = 'the coordinator did not answer';
    const logger = this.#logger((message) => {
      problem = message;
    });
    const runtime = openParticipantRuntime({
      resource: name,
      kind: 'embedded',
      address: '',
      rm: manager,
      dial: dialGrpc(address),
      clock,
      random,
      logger,
      maxBranches: BRANCHES_MAX,
      onRefused: (error, { wasReady }) => {
        if (!wasReady) {
          refused.reject(error);
        }
      },
    });
    const participant = { runtime, manager, problem: () => problem };
    try {
      const ready = Promise.race([runtime.firstReady, refused.promise]);
      await within(ready, { clock, timeoutMs: connectTimeoutMs }, () => unavailable(name, problem));
      return participant;
    } catch (error) {
      await close(participant);
      throw error;
    }
  }

  #logger(onProblem: (message: string) => void): EventLogger {
    const { logger } = this.#settings;
    const problem = (fields: LogFields): void => {
      onProblem(String(fields['message'] ?? fields.evt));
      logger.warn(fields);
    };
    return { ...logger, warn: problem, error: problem, fatal: problem };
  }
}

/** The name may have been given to a connection of another database: its work would be proven at the wrong place. */
async function checkIdentity(
  name: ResourceName,
  known: { readonly connection: ApplicationConnection; identity?: string },
  { manager }: Participant,
): Promise<void> {
  if (known.identity === undefined) {
    const problem = await known.connection.ownerProblem();
    if (problem !== undefined) {
      // Until somebody changes the roles it is refused again.
      throw new CoordinatorError('RESOURCE_UNAVAILABLE', `The connection cannot take part in ${name}: ${problem}.`, {
        metadata: { retryable: 'false' },
      });
    }
  }
  const identity = known.identity ?? (await known.connection.identify());
  const expected = await manager.knownIdentity();
  if (identity !== undefined) {
    known.identity = identity; // A connection stays where it is; one that did not answer is asked again.
  }
  if (identity !== expected) {
    const message = `The connection belongs to the database ${identity ?? 'that does not answer'}, and ${name} is ${expected}.`;
    throw new CoordinatorError('RESOURCE_IDENTITY', message);
  }
}

async function open(
  connection: ApplicationConnection,
  { runtime, manager }: Participant,
  request: EnlistRequest,
  opening: Opening,
): Promise<LentConnection> {
  const { isolation, readOnly } = request;
  const { xid, timeoutMs } = await request.name(runtime.instance);
  const branch = connection.openBranch(
    xid,
    { opening, isolation, readOnly, idleTimeoutMs: timeoutMs + IDLE_GRACE_MS },
    {
      fence: () => manager.fence(xid, rowEvidence(opening)),
      probe: (evidence) => manager.probe(xid, evidence),
      rollbackPrepared: () => manager.rollback(xid, rowEvidence(opening)),
    },
  );
  manager.lend({ ...xid, opening }, branch);
  let adopted: AdoptedBranch;
  try {
    // Entered before the engine hears of it: a branch that nobody knows must not exist (D3).
    adopted = runtime.adopt(xid, branch, { opening, timeoutMs });
    await branch.begin();
  } catch (error) {
    await branch.rollback();
    throw error;
  }
  return { instance: runtime.instance, branch, adopted };
}

function unavailable(name: ResourceName, problem: string): CoordinatorError {
  const message = `The embedded participant of ${name} is not attached to the coordinator: ${problem}`;
  return new CoordinatorError('RESOURCE_UNAVAILABLE', message);
}

async function close({ runtime, manager }: Participant): Promise<void> {
  await runtime.drain(DRAIN_MS);
  await runtime[Symbol.asyncDispose]();
  await manager[Symbol.asyncDispose]();
}
