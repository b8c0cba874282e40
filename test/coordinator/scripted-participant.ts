// A participant over real gRPC that answers as a test tells it to: its own Attach stream, and everything it heard.
import { type ClientDuplexStream, credentials, type StatusObject } from '@grpc/grpc-js';
import type { AttachHello } from '../../src/gen/concordat/v1/AttachHello.ts';
import type { AttachRequest } from '../../src/gen/concordat/v1/AttachRequest.ts';
import type { AttachResponse__Output as AttachResponse } from '../../src/gen/concordat/v1/AttachResponse.ts';
import type { BranchResult } from '../../src/gen/concordat/v1/BranchResult.ts';
import type { BranchVote } from '../../src/gen/concordat/v1/BranchVote.ts';
import type { CoordinatorMessage__Output as CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { FinishBranch__Output as FinishBranch } from '../../src/gen/concordat/v1/FinishBranch.ts';
import type { ParticipantMessage } from '../../src/gen/concordat/v1/ParticipantMessage.ts';
import type { ParticipantServiceClient } from '../../src/gen/concordat/v1/ParticipantService.ts';
import type { PrepareBranch__Output as PrepareBranch } from '../../src/gen/concordat/v1/PrepareBranch.ts';
import type { Ready } from '../../src/gen/concordat/v1/Ready.ts';
import { wire } from '../../src/wire/proto.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { eventually } from '../support/eventually.ts';

type Body = NonNullable<CoordinatorMessage['body']>;
type Answer<T> = T | undefined | Promise<T | undefined>;

let instances = 0;
let tokens = 0;

/** What the participant says to each command; undefined: nothing. The default is yes to everything, at once. */
export interface Script {
  prepare(branch: PrepareBranch): Answer<Partial<BranchVote>>;
  finish(branch: FinishBranch): Answer<Partial<BranchResult>>;
  probe(branch: { readonly gtrid: string; readonly bqual: string }): Answer<object>;
  scan(): Answer<object>;
}

const YES: Script = {
  prepare: () => ({ vote: 'VOTE_PREPARED', evidence: { row: 'x7aaaaaaaaaa' } }),
  finish: () => ({ result: 'FINISH_RESULT_DONE' }),
  probe: () => ({ proof: 'BRANCH_PROOF_PREPARED' }),
  scan: () => ({}),
};

export interface ParticipantSettings extends Partial<Script> {
  readonly hello?: Partial<AttachHello>;
  /** The epoch that the engine has recorded; by default the coordinator's own. */
  readonly epoch?: (welcomed: number) => number;
  /** What `ready` says instead. */
  readonly ready?: Partial<Ready>;
  /** Where it writes its token and reads those of others; by default one for each engine. Undefined: it answers nothing of it. */
  readonly database?: Database | undefined;
}

/** What participants that see one database share: the newest token of each instance. */
export type Database = Map<string, string>;

const databases = new Map<string, Database>();

function databaseOf(engineIdentity: string): Database {
  const database = databases.get(engineIdentity) ?? new Map<string, string>();
  databases.set(engineIdentity, database);
  return database;
}

export class ScriptedParticipant implements AsyncDisposable {
  readonly resource: string;
  readonly instance: string;
  readonly received: CoordinatorMessage[] = [];
  /** May be changed at any time: it counts for the commands that come then. */
  script: Script;
  status: StatusObject | undefined;
  /** May be changed at any time, as by a database that is split in two. */
  database: Database | undefined;
  readonly #client: ParticipantServiceClient;
  readonly #stream: ClientDuplexStream<AttachRequest, AttachResponse>;
  readonly #epoch: (welcomed: number) => number;
  readonly #life: Partial<Ready>;
  #heartbeats: NodeJS.Timeout | undefined;

  constructor(address: string, resource: string, settings: ParticipantSettings = {}) {
    const { hello, epoch = (welcomed) => welcomed, ready = {}, database: _, ...script } = settings;
    this.#life = ready;
    instances += 1;
    this.resource = resource;
    this.instance = hello?.instance ?? `i${instances}`;
    this.script = { ...YES, ...script };
    this.#epoch = epoch;
    const engineIdentity = hello?.engineIdentity ?? `engine-of-${resource}`;
    this.database = 'database' in settings ? settings.database : databaseOf(engineIdentity);
    this.#client = new wire.ParticipantService(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    this.#stream = this.#client.Attach();
    this.#stream.on('data', (frame: AttachResponse) => frame.messages.forEach(this.#receive));
    this.#stream.on('error', () => undefined);
    this.#stream.on('status', (status: StatusObject) => {
      this.status = status;
    });
    this.send({
      hello: {
        ...PROTOCOL,
        resource,
        instance: this.instance,
        kind: 'PARTICIPANT_KIND_SIDECAR',
        engine: 'memory',
        engineVersion: '1',
        engineIdentity: `engine-of-${resource}`,
        address: `127.0.0.1:${7500 + instances}`,
        ...hello,
      },
    });
  }

  /** One frame. */
  send(...messages: ParticipantMessage[]): void {
    this.#stream.write({ messages });
  }

  /** What was heard of one kind so far. */
  heard<B extends Body>(body: B): NonNullable<CoordinatorMessage[B]>[] {
    return this.received.flatMap((message) => message[body] ?? []) as NonNullable<CoordinatorMessage[B]>[];
  }

  /** The `count`-th message of one kind, once it is there. */
  hears<B extends Body>(body: B, count = 1, withinMs = 10_000): Promise<NonNullable<CoordinatorMessage[B]>> {
    return eventually(`${this.resource} hears ${count} × ${body}`, () => this.heard(body)[count - 1], withinMs);
  }

  /** Commands to finish, as `verb bqual`. */
  get told(): string[] {
    return this.heard('finish').map(({ verb, bqual }) => `${verb.replace('FINISH_VERB_', '').toLowerCase()} ${bqual}`);
  }

  /** Beats until the end, so that it is not taken for dead. */
  beat(everyMs: number): this {
    this.#heartbeats = setInterval(() => this.send({ heartbeat: {} }), everyMs);
    return this;
  }

  /** The stream breaks as with a process that was killed: the coordinator hears nothing more than that. */
  cut(): void {
    clearInterval(this.#heartbeats);
    this.#stream.cancel();
    this.#client.close();
  }

  /** The stream ends from this side. */
  end(): void {
    clearInterval(this.#heartbeats);
    this.#stream.end();
  }

  ended(): Promise<StatusObject> {
    return eventually(`the stream of ${this.resource} ends`, () => this.status);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
  }

  readonly #receive = (message: CoordinatorMessage): void => {
    this.received.push(message);
    const { prepare, finish, probe, scan, welcome, showToken, readToken } = message;
    if (welcome) {
      tokens += 1;
      this.database?.set(this.instance, `token${tokens}`);
      const { lifeToken } = welcome;
      const shownToken = `token${tokens}`;
      this.send({ ready: { lifeToken, shownToken, epoch: this.#epoch(Number(welcome.epoch)), ...this.#life } });
    } else if (showToken && this.database !== undefined) {
      this.database.set(this.instance, showToken.token);
      this.send({ tokenResult: { id: showToken.id, token: showToken.token } });
    } else if (readToken && this.database !== undefined) {
      this.send({ tokenResult: { id: readToken.id, token: this.database.get(readToken.instance) ?? '' } });
    } else if (prepare) {
      void this.#answer(this.script.prepare(prepare), (vote) => ({ vote: { ...prepare, ...vote } }));
    } else if (finish) {
      const { gtrid, bqual, verb, evidence } = finish;
      void this.#answer(this.script.finish(finish), (result) => ({
        result: { gtrid, bqual, verb, evidence, ...result },
      }));
    } else if (probe) {
      void this.#answer(this.script.probe(probe), (result) => ({ probeResult: { id: probe.id, ...result } }));
    } else if (scan) {
      void this.#answer(this.script.scan(), (result) => ({ scanResult: { id: scan.id, ...result } }));
    }
  };

  async #answer<T>(answer: Answer<T>, wrap: (answer: T) => ParticipantMessage): Promise<void> {
    const value = await answer;
    if (value !== undefined && this.status === undefined) {
      this.send(wrap(value));
    }
  }
}

/** For a script that takes its time. */
export function later<T>(delayMs: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, delayMs, value));
}

/** For a script that says nothing. */
export const silent = (): undefined => undefined;
