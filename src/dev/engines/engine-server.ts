// What the rest of the code knows about a database server that we started ourselves.

export type EngineName = 'postgresql' | 'mysql' | 'mariadb';

export interface EngineServer extends AsyncDisposable {
  readonly engine: EngineName;
  /** As the server says it, for example `18.4` or `10.11.19-MariaDB-0+deb12u1`. */
  readonly version: string;
  readonly host: '127.0.0.1';
  /** The same for the whole life of this object, also across `kill` and `start`. */
  readonly port: number;
  /** An administrator of the server. */
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `postgresql://…` or `mysql://…` (for MariaDB, too) with user, password and database. */
  readonly url: string;
  /** The server's main process; `undefined` while it does not run. */
  readonly pid: number | undefined;
  /** The server's messages, appended over all its starts. */
  readonly logFile: string;
  /**
   * Signals the server's process and its children. SIGKILL resolves when all of them are gone, as after a crash; SIGSTOP
   * freezes the server with its connections open until SIGCONT.
   * @throws {Error} when the server does not run.
   */
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Starts the server again on its data and its port. Resolves after a real login worked; harmless while it runs. */
  start(): Promise<void>;
  /** Shuts the server down cleanly and keeps its data. Idempotent; also the way to end a server that was killed. */
  stop(): Promise<void>;
}

export interface EngineOptions {
  /** Holds the server's data, log and settings. Made if missing; a directory that this function filled before is taken up again. */
  readonly directory: string;
  /** A free port is chosen if absent. */
  readonly port?: number | undefined;
  /** Server settings by name; they win over ours. For MySQL and MariaDB an empty value gives a bare `--name`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /**
   * Initialises the data anew instead of copying it; slower. Only then is PostgreSQL's system identifier unique: a copy has that of
   * its template, and npm's binaries have no tool that would give it another. A password of its own has every server.
   */
  readonly fresh?: boolean | undefined;
  /** Hears a line before anything that takes more than two seconds. */
  readonly onProgress?: ((text: string) => void) | undefined;
}
