// By its tokens a participant shows the others of its resource that it sees the same database as they do, and not a copy of it.
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import type { Random } from '../../lib/random.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { toWireReason } from '../attach/report.ts';
import { reasonOf } from '../reasons.ts';
import type { ResourceManager } from '../resource-manager.ts';

interface TokensOptions {
  readonly rm: ResourceManager;
  readonly random: Random;
  readonly instance: string;
  /** False while the engine is known not to answer: then nothing is asked of it, so that the coordinator hears it at once. */
  readonly engineAnswers: () => boolean;
  readonly report: (message: ParticipantMessage) => void;
}

/** Long enough never to be met by chance, short enough for a key. */
const TOKEN_CHARS = 20;

const AWAY: Reason = { code: 'ENGINE_UNAVAILABLE', message: 'the database does not answer', retryable: true };

export class Tokens {
  readonly #options: TokensOptions;

  constructor(options: TokensOptions) {
    this.#options = options;
  }

  /** Writes a token that was never used before. @throws {EngineError} */
  async fresh(): Promise<string> {
    const { rm, random, instance } = this.#options;
    const token = random.base32(TOKEN_CHARS);
    await rm.showToken(instance, token);
    return token;
  }

  /** Reports a TokenResult. Never rejects. */
  async show(id: number, token: string): Promise<void> {
    await this.#answer(id, async () => {
      await this.#options.rm.showToken(this.#options.instance, token);
      return token;
    });
  }

  /** Reports a TokenResult. Never rejects. */
  async read(id: number, instance: string): Promise<void> {
    await this.#answer(id, async () => (await this.#options.rm.readToken(instance)) ?? '');
  }

  async #answer(id: number, ask: () => Promise<string>): Promise<void> {
    const { engineAnswers, report } = this.#options;
    if (!engineAnswers()) {
      report({ tokenResult: { id, error: toWireReason(AWAY) } });
      return;
    }
    try {
      report({ tokenResult: { id, token: await ask() } });
    } catch (error) {
      report({ tokenResult: { id, error: toWireReason(reasonOf(error)) } });
    }
  }
}
