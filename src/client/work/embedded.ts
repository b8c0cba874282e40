// The participants inside this process: one for each resource that the application enlists connections of, attached when first needed.

import type { LogFields, Logger } from '../../lib/logger.ts';
import { within } from '../../lib/wait.ts';
import { dialGrpc } from '../../participants/attach/grpc-dial.ts';
import { type ApplicationConnection, recognise } from '../../participants/embedded/connection.ts';
import { type EmbeddedManager, openEmbeddedManager } from '../../participants/embedded/embedded-manager.ts';
import type { ApplicationBranch } from '../../participants/lent/application-branch.ts';
import { mysqlConnection } from '../../participants/mysql/lent/connection.ts';
import { EngineError } from '../../participants/resource-manager.ts';
import {
  type AdoptedBranch,
  openParticipantRuntime,
  type ParticipantRuntime,
} from '../../participants/runtime/runtime.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { newOpening, type Opening, rowEvidence } from '../../xa/evidence.ts';
import type { Isolation } from '../../xa/vocabulary.ts';
import { parseResourceName, type ResourceName, type Xid } from '../../xa/xid.ts';
import { ConcordatError, StatementError } from '../errors.ts';
import type { SessionSettings } from '../session/coordinator-session.ts';

/** Branches of one application at one resource; its own pool is the real limit. */
const BRANCHES_MAX = 10_000;
/** How long prepared branches may take to be finished when the client is closed; a sidecar finishes the rest. */
const DRAIN_MS = 5_000;
/** Later than the branch's own deadline, which rolls it back in good order. */
const IDLE_GRACE_MS = 5_000;

export interface EnlistRequest {
  readonly xid: Xid;
  readonly connection: object;
  readonly url: string | undefined;
  readonly isolation: Isolation;
  readonly readOnly: boolean;
  readonly timeoutMs: number;
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
  readonly #settings: SessionSettings;
  readonly #participants = new Map<ResourceName, Promise<Participant>>();
  /** The application's connections, and which engine each was found to belong to. */
  readonly #connections = new WeakMap<object, { readonly connection: ApplicationConnection; identity?: string }>();

  constructor(settings: SessionSettings) {
    this.#settings = settings;
  }

  /**
   * Opens a branch on the application's connection.
   * @throws {TypeError} the connection cannot take part. {ConcordatError} the participant or the database refuses; nothing is open.
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
    return await open(name, known.connection, participant, request, newOpening(this.#settings.random));
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
      // The next enlisting tries again: a wrong setting may have been mended.
      opening.catch(() => this.#participants.delete(name));
    }
    const { clock, connectTimeoutMs: timeoutMs } = this.#settings;
    const late = (): ConcordatError => unavailable(name, 'it does not come up');
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

  #logger(onProblem: (message: string) => void): Logger {
    const { logger } = this.#settings;
    const problem = (fields: LogFields): void => {
      onProblem(String(fields['message'] ?? fields.evt));
      logger?.warn(fields, fields.evt);
    };
    return {
      debug: () => undefined,
      info: (fields) => logger?.info(fields, fields.evt),
      warn: problem,
      error: problem,
      fatal: problem,
    };
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
      throw new ConcordatError(`The connection cannot take part in ${name}: ${problem}.`, {
        code: 'RESOURCE_UNAVAILABLE',
        retryable: false,
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
    throw new ConcordatError(message, { code: 'RESOURCE_IDENTITY', retryable: false });
  }
}

async function open(
  name: ResourceName,
  connection: ApplicationConnection,
  { runtime, manager }: Participant,
  request: EnlistRequest,
  opening: Opening,
): Promise<LentConnection> {
  const { xid, isolation, readOnly, timeoutMs } = request;
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
    throw error instanceof EngineError ? notBegun(name, error) : error;
  }
  return { instance: runtime.instance, branch, adopted };
}

function notBegun(resource: ResourceName, { reason }: EngineError): StatementError {
  const code = new CoordinatorError('STATEMENT_FAILED', reason.message).code;
  return new StatementError(`The branch could not be opened on the connection: ${reason.message}`, {
    code,
    retryable: reason.retryable,
    resource,
    sqlstate: reason.sqlstate,
    errno: reason.errno,
  });
}

function unavailable(name: ResourceName, problem: string): ConcordatError {
  const message = `The embedded participant of ${name} is not attached to the coordinator: ${problem}`;
  return new ConcordatError(message, { code: 'RESOURCE_UNAVAILABLE', retryable: true });
}

async function close({ runtime, manager }: Participant): Promise<void> {
  await runtime.drain(DRAIN_MS);
  await runtime[Symbol.asyncDispose]();
  await manager[Symbol.asyncDispose]();
}
