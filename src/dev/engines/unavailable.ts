// The one error for a database that this machine cannot provide: tests skip on it, `concordat dev` prints it.

/** This machine cannot run the engine. The message is one sentence and names the command that fixes it. */
export class EngineUnavailableError extends Error {
  override readonly name = 'EngineUnavailableError';
}
