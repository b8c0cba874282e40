// What keeps the playground from starting, and what the person at the keyboard does about it: never a bug of ours.
import { isFree } from './engines/port.ts';
import { EngineUnavailableError } from './engines/unavailable.ts';

export class PlaygroundError extends Error {
  override readonly name = 'PlaygroundError';
  /** The next step. */
  readonly advice: string;

  constructor(message: string, advice: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.advice = advice;
  }
}

/** Where MariaDB and MySQL are. */
const COMPOSE = '`docker compose up` with compose.yaml of the repository brings PostgreSQL and MySQL in containers.';

/** Of the system: it does not let us write there, or there is no room. */
const NOT_WRITABLE: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR']);

/** The same error for what the machine lacks or refuses; anything else as it is. */
export function asPlaygroundProblem(error: unknown): unknown {
  if (error instanceof EngineUnavailableError) {
    return new PlaygroundError(error.message, `Then start it again. Without it: ${COMPOSE}`, error);
  }
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (error instanceof Error && NOT_WRITABLE.has(code) && path !== undefined) {
    return new PlaygroundError(
      `The playground cannot write to ${path} (${code}).`,
      'Name folders that it may write to: CONCORDAT_CACHE for what it fetches, TMPDIR or --directory for its databases.',
      error,
    );
  }
  return error;
}

/** What is different here, to be said first; undefined where everything is there. @throws {PlaygroundError} nothing runs here. */
export function platformNote(platform: NodeJS.Platform): string | undefined {
  if (platform === 'linux') {
    return undefined;
  }
  if (platform === 'darwin') {
    return `MariaDB and MySQL are started on Linux only: here a second PostgreSQL stands in. ${COMPOSE}`;
  }
  throw new PlaygroundError(`The playground runs on Linux and on a Mac, not on ${platform}.`, `Here, ${COMPOSE}`);
}

/** @throws {PlaygroundError} somebody listens at this address already. */
export async function checkFree(listen: string): Promise<void> {
  const port = Number(listen.slice(listen.lastIndexOf(':') + 1));
  if (port !== 0 && !(await isFree(port))) {
    throw new PlaygroundError(
      `Port ${port} is taken: another program listens on it, perhaps a playground in another terminal.`,
      'End that one, or let this one choose: `concordat dev --listen 127.0.0.1:0`, in a checkout `npm start -- --listen 127.0.0.1:0`.',
    );
  }
}
