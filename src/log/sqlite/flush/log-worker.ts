// The main thread's end of the log's worker: requests one by one, and the news when the thread dies.
import { Worker } from 'node:worker_threads';
import { CoordinatorError } from '../../../xa/errors.ts';
import type { WorkerAnswer, WorkerData, WorkerRequest, WorkerResult } from './worker-protocol.ts';

/** A request that did not succeed, with the code that SQLite or the file system gave. */
class WorkerFailure extends Error {
  override readonly name = 'WorkerFailure';
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

export type StartWorker = (file: URL, data: WorkerData) => Worker;

/** The file that this program is made of: TypeScript when it runs from the sources, JavaScript when it was built. */
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

export const startWorkerThread: StartWorker = (file, workerData) => new Worker(file, { workerData });

interface Waiting {
  readonly resolve: (result: Exclude<WorkerResult, { kind: 'failed' }>) => void;
  readonly reject: (error: Error) => void;
}

export class LogWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onDeath: (error: Error) => void;
  #lastId = 0;
  #death: Error | undefined;
  #stopping = false;

  constructor(data: WorkerData, start: StartWorker, onDeath: (error: Error) => void) {
    this.#onDeath = onDeath;
    this.#worker = start(new URL(`./flush-worker.${EXTENSION}`, import.meta.url), data);
    this.#worker.on('message', (answer: WorkerAnswer) => this.#answer(answer));
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', (code) => this.#die(new Error(`the log's worker thread ended with code ${code}`)));
  }

  /**
   * @throws {WorkerFailure} what SQLite or the file system reported.
   * @throws {Error} the thread died: what it was doing may be done or not.
   */
  request(request: WorkerRequest): Promise<Exclude<WorkerResult, { kind: 'failed' }>> {
    if (this.#death !== undefined) {
      return Promise.reject(this.#death);
    }
    return new Promise((resolve, reject) => {
      this.#lastId += 1;
      this.#waiting.set(this.#lastId, { resolve, reject });
      this.#worker.postMessage({ id: this.#lastId, request });
    });
  }

  /** Ends the thread; its connection is closed first if it still answers. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.request({ kind: 'close' }).catch(() => undefined);
    await this.#worker.terminate();
  }

  #answer({ id, result }: WorkerAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (result.kind === 'failed') {
      waiting?.reject(new WorkerFailure(result.message, result.code));
    } else {
      waiting?.resolve(result);
    }
  }

  #die(error: Error): void {
    if (this.#death !== undefined) {
      return;
    }
    this.#death = error;
    for (const waiting of this.#waiting.values()) {
      waiting.reject(error);
    }
    this.#waiting.clear();
    if (!this.#stopping) {
      this.#onDeath(error);
    }
  }
}

/** What a failed step of opening means to whoever asked for it. */
export function openingError(error: unknown, doing: string): CoordinatorError {
  if (error instanceof CoordinatorError) {
    return error;
  }
  const code = String((error as { readonly code?: unknown }).code ?? '');
  const message = `the log could not be ${doing}: ${error instanceof Error ? error.message : String(error)}`;
  const notAllowed = /^(EACCES|EPERM|EROFS|ENOTDIR|SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM)/.test(code);
  return new CoordinatorError(notAllowed ? 'CONFIG_INVALID' : 'LOG_FAILED', message, { cause: error });
}
