// What the participant knows of its engine: who it is, what would break later, and whether it answers.
import type { AttachHello } from '../../gen/concordat/v1/AttachHello.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { reasonOf } from '../reasons.ts';
import { isOtherEngine, otherEngine, type ResourceManager } from '../resource-manager.ts';
import type { KnownLogs } from './known-logs.ts';

interface EngineWatchOptions {
  readonly rm: ResourceManager;
  readonly logs: KnownLogs;
  readonly logger: EventLogger;
  readonly onAnswers: (answers: boolean) => void;
  /** Another database answers at the address: what the coordinator was told is not true any more. */
  readonly onOtherEngine: (why: string) => void;
  /** The engine refuses the user or the password: the one that is known may be an old one. Heard at each attempt. */
  readonly onLoginRefused?: (() => void) | undefined;
}

type EngineIntroduction = Required<
  Pick<AttachHello, 'engine' | 'engineVersion' | 'engineIdentity' | 'warnings' | 'logs'>
>;

/** Checks come every 15 s. */
const CHECKS_MAX = 4;

export class EngineWatch {
  readonly #options: EngineWatchOptions;
  /** The engine that the adapter works with. */
  #expected: string | undefined;
  /** The engine that the coordinator was last told of. */
  #introduced: string | undefined;
  #answers: boolean | undefined;
  #failure: Reason | undefined;
  /** Why a connection for a branch was refused; and after how many checks it is believed no more. */
  #unopened: Reason | undefined;
  #checks = 0;
  #unfit: Reason | undefined;

  constructor(options: EngineWatchOptions) {
    this.#options = options;
  }

  /** False: it did not answer when it was last asked, or another one did. */
  get answers(): boolean {
    return this.#answers !== false;
  }

  /** Why it does not answer, or refuses what it is asked, as of the newest attempt; undefined: it answers. */
  get trouble(): Reason | undefined {
    return this.#answers === false ? this.#failure : (this.#unopened ?? this.#unfit);
  }

  /** A branch could be opened, or the engine refused the connection for it though it answers others. */
  opened(error: unknown): void {
    const reason = error === undefined ? undefined : reasonOf(error);
    this.#heardOf(reason);
    if (reason === undefined || reason.code === 'ENGINE_UNAVAILABLE') {
      this.#change(() => {
        this.#unopened = reason;
        this.#checks = 0;
      });
    }
  }

  /** It answers, and would refuse branches or their ends; undefined: it would take them. Asked now and then. */
  checked(unfit: Reason | undefined): void {
    this.#change(() => {
      this.#unfit = unfit;
      this.#checks += 1;
      // Nobody has tried since: what was refused then says nothing of now.
      this.#unopened = this.#checks < CHECKS_MAX ? this.#unopened : undefined;
    });
  }

  #change(change: () => void): void {
    const before = this.trouble;
    change();
    const after = this.trouble;
    if (before?.code === after?.code && before?.message === after?.message) {
      return;
    }
    const { logger } = this.#options;
    if (after === undefined) {
      logger.info({ evt: 'engine-takes-branches' });
    } else {
      logger.warn({ evt: 'engine-refuses', ...after });
    }
  }

  /**
   * Asks the engine who it is and checks it anew. From the first time on the adapter works with that one alone; of another one the
   * coordinator is told, and it says whether that one may take its place (`welcomed`). @throws {EngineError} it does not answer.
   */
  async introduce(): Promise<EngineIntroduction> {
    const { rm, logs, logger } = this.#options;
    const { engine, version, identity } = await rm.identify();
    this.#introduced = identity;
    if (this.#expected === undefined) {
      this.#expect(identity);
    }
    if (identity !== this.#expected) {
      const message = `another database answers at the address: ${this.#expected} is expected, and ${identity} is there`;
      logger.error({ evt: 'other-engine', expected: this.#expected, found: identity, message });
      return { engine, engineVersion: version, engineIdentity: identity, warnings: [], logs: [] };
    }
    const findings = await rm.preflight();
    for (const { fatal, check, message, fix } of findings) {
      logger[fatal ? 'error' : 'warn']({ evt: 'preflight', check, fatal, message, fix });
    }
    this.#saw(true);
    const warnings = findings.map(({ check, message, fix }) => `${check}: ${message} ${fix}`);
    return { engine, engineVersion: version, engineIdentity: identity, warnings, logs: await logs.ask(engine) };
  }

  /**
   * The coordinator takes the engine that was introduced. Not before, even if that one answers: what was asked of the former one may
   * still be under way and must not find an answer here. @throws {EngineError}
   */
  async welcomed(): Promise<void> {
    const { rm, logger } = this.#options;
    if (this.#introduced !== undefined && this.#introduced !== this.#expected) {
      logger.warn({ evt: 'engine-succeeds', former: this.#expected, identity: this.#introduced });
      this.#expect(this.#introduced);
      await rm.createTables();
      this.#saw(true);
    }
  }

  /**
   * The engine failed to answer, or another one did; logged once for each outage. Connections that are open may fail because their
   * database was replaced: so it is asked anew who answers.
   */
  failed(error: unknown): void {
    this.#failed(error);
    if (!isOtherEngine(error) && this.#expected !== undefined) {
      this.#askAnew();
    }
  }

  #heardOf(reason: Reason | undefined): void {
    if (reason !== undefined && isLoginRefused(reason)) {
      this.#options.onLoginRefused?.();
    }
  }

  #askAnew(): void {
    this.#options.rm.identify().then(
      ({ identity }) => {
        if (this.#expected !== undefined && identity !== this.#expected) {
          this.#failed(otherEngine(this.#expected, identity));
        }
      },
      () => undefined, // It does not answer: that is said already.
    );
  }

  #failed(error: unknown): void {
    const isOther = isOtherEngine(error);
    this.#failure = reasonOf(error);
    this.#heardOf(this.#failure);
    if (this.#answers !== false) {
      const { code, message } = reasonOf(error);
      this.#options.logger.warn({
        evt: 'engine-unreachable',
        code,
        message: isOther ? message : `the database does not answer: ${message}`,
      });
    }
    this.#saw(false);
    if (isOther) {
      this.#options.onOtherEngine(reasonOf(error).message);
    }
  }

  /** The engine answered. After an outage it is asked who it is: it may have come back as another one. Never rejects. */
  async answered(): Promise<void> {
    if (this.#answers === true) {
      return;
    }
    try {
      const { identity } = await this.#options.rm.identify();
      if (this.#expected !== undefined && identity !== this.#expected) {
        throw otherEngine(this.#expected, identity);
      }
      this.#options.logger.info({ evt: 'engine-back', identity });
      this.#saw(true);
    } catch (error) {
      this.#failed(error);
    }
  }

  #expect(identity: string): void {
    this.#expected = identity;
    this.#options.rm.expectIdentity(identity);
  }

  #saw(answers: boolean): void {
    if (this.#answers !== answers) {
      this.#answers = answers;
      this.#options.onAnswers(answers);
    }
  }
}

/** PostgreSQL: class 28, invalid authorization. MySQL and MariaDB: ER_ACCESS_DENIED_ERROR, and without a password ER_ACCESS_DENIED_NO_PASSWORD_ERROR. */
function isLoginRefused({ sqlstate = '', errno = 0 }: Reason): boolean {
  return sqlstate.startsWith('28') || errno === 1045 || errno === 1698;
}
