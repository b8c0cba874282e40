// The door to embedded participants: their code and the database drivers are loaded when an application first enlists a connection.

import type { LogFields } from '../../lib/logger.ts';
import type { EmbeddedParticipants } from '../../participants/embedded/participants.ts';
import type { ClientSettings } from '../session/coordinator-session.ts';

/** Belongs to one client. */
export class Embedding {
  readonly #settings: ClientSettings;
  #participants: Promise<EmbeddedParticipants> | undefined;

  constructor(settings: ClientSettings) {
    this.#settings = settings;
  }

  /** @throws {Error} pg or mysql2 is not installed. */
  participants(): Promise<EmbeddedParticipants> {
    this.#participants ??= this.#load();
    return this.#participants;
  }

  async #load(): Promise<EmbeddedParticipants> {
    const { EmbeddedParticipants: Participants } = await import('../../participants/embedded/participants.ts');
    const { address, connectTimeoutMs, clock, random, logger } = this.#settings;
    const info = (fields: LogFields): void => logger?.info(fields, fields.evt);
    const warn = (fields: LogFields): void => logger?.warn(fields, fields.evt);
    const participantLogger = { debug: () => undefined, info, warn, error: warn, fatal: warn };
    return new Participants({ address, connectTimeoutMs, clock, random, logger: participantLogger });
  }

  /** Never rejects. */
  async close(): Promise<void> {
    const participants = await this.#participants?.catch(() => undefined);
    await participants?.[Symbol.asyncDispose]();
  }
}
