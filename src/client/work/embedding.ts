// The door to embedded participants: their code and the database drivers are loaded when an application first enlists a connection.

import type { SessionSettings } from '../session/coordinator-session.ts';
import type { EmbeddedParticipants } from './embedded.ts';

/** Belongs to one client. */
export class Embedding {
  readonly #settings: SessionSettings;
  #participants: Promise<EmbeddedParticipants> | undefined;

  constructor(settings: SessionSettings) {
    this.#settings = settings;
  }

  /** @throws {Error} pg or mysql2 is not installed. */
  participants(): Promise<EmbeddedParticipants> {
    this.#participants ??= import('./embedded.ts').then(
      ({ EmbeddedParticipants: Participants }) => new Participants(this.#settings),
    );
    return this.#participants;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    const participants = await this.#participants?.catch(() => undefined);
    await participants?.[Symbol.asyncDispose]();
  }
}
