// What the participant knows of its engine: who it is, what would break later, and whether it answers.
import type { AttachHello } from '../gen/concordat/v1/AttachHello.ts';
import type { EventLogger } from './event-logger.ts';
import { reasonOf } from './reasons.ts';
import type { ResourceManager } from './resource-manager.ts';

export interface EngineWatchOptions {
  readonly rm: ResourceManager;
  readonly logger: EventLogger;
  readonly onAnswers: (answers: boolean) => void;
  /** Another database answers at the address: what the coordinator was told is not true any more. */
  readonly onOtherEngine: () => void;
}

export type EngineIntroduction = Required<
  Pick<AttachHello, 'engine' | 'engineVersion' | 'engineIdentity' | 'warnings'>
>;

export class EngineWatch {
  readonly #options: EngineWatchOptions;
  #identity: string | undefined;
  #answers: boolean | undefined;

  constructor(options: EngineWatchOptions) {
    this.#options = options;
  }

  /** Asks the engine who it is and checks it anew. @throws {EngineError} it does not answer. */
  async introduce(): Promise<EngineIntroduction> {
    const { rm, logger } = this.#options;
    const { engine, version, identity } = await rm.identify();
    const findings = await rm.preflight();
    for (const { fatal, check, message, fix } of findings) {
      logger[fatal ? 'error' : 'warn']({ evt: 'preflight', check, fatal, message, fix });
    }
    this.#identity = identity;
    this.#saw(true);
    const warnings = findings.map(({ check, message, fix }) => `${check}: ${message} ${fix}`);
    return { engine, engineVersion: version, engineIdentity: identity, warnings };
  }

  /** The engine failed to answer; logged once for each outage. */
  failed(error: unknown): void {
    if (this.#answers !== false) {
      const { code, message } = reasonOf(error);
      this.#options.logger.warn({
        evt: 'engine-unreachable',
        code,
        message: `the database does not answer: ${message}`,
      });
    }
    this.#saw(false);
  }

  /** The engine answered. After an outage it is asked who it is: it may have come back as another one. Never rejects. */
  async answered(): Promise<void> {
    if (this.#answers === true) {
      return;
    }
    try {
      const { identity } = await this.#options.rm.identify();
      this.#options.logger.info({ evt: 'engine-back', identity });
      this.#saw(true);
      if (identity !== this.#identity) {
        this.#options.onOtherEngine();
      }
    } catch (error) {
      this.failed(error);
    }
  }

  #saw(answers: boolean): void {
    if (this.#answers !== answers) {
      this.#answers = answers;
      this.#options.onAnswers(answers);
    }
  }
}
