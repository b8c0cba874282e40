// A database server that is brought back whenever it was killed.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import type { Life, PartKind } from './plan.ts';

const THAW_GRACE_MS = 50;
const LOG_TAIL_CHARACTERS = 2_000;

export class Database {
  readonly kind: PartKind = 'database';
  readonly name: string;
  /** Replaced where another server takes its place. */
  server: EngineServer;
  readonly #drawLife: (life: number) => Life;
  readonly #onKilled: (inRecovery: boolean) => void;
  #life = 1;
  #isCalm = true;
  #isClosing = false;
  #isUp = true;
  #thaw: NodeJS.Timeout | undefined;
  #failure: unknown;
  #reviving: Promise<void> = Promise.resolve();

  constructor(server: EngineServer, drawLife: (life: number) => Life, onKilled: (inRecovery: boolean) => void) {
    this.server = server;
    this.name = server.engine;
    this.#drawLife = drawLife;
    this.#onKilled = onKilled;
  }

  get isReady(): boolean {
    return this.#isUp && this.#thaw === undefined;
  }

  /** Of its log, and why it could not be started if it could not. */
  get lastWords(): string {
    const log = readFileSync(this.server.logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS);
    return this.#failure === undefined ? log : `${log}\n${String(this.#failure)}`;
  }

  calm(isCalm: boolean): void {
    this.#isCalm = isCalm;
    if (isCalm && this.#thaw !== undefined) {
      this.#continue();
    }
  }

  /** @returns whether it was up, and so is killed. */
  kill(): boolean {
    if (!this.isReady) {
      return false;
    }
    this.#isUp = false;
    this.#reviving = this.#killNow(false).then(() => this.#revive());
    return true;
  }

  /** Shut down in order and started again. @returns whether it was up. */
  restart(): boolean {
    if (!this.isReady) {
      return false;
    }
    this.#isUp = false;
    this.#reviving = this.server.stop().then(() => this.#revive());
    return true;
  }

  freeze(ms: number): void {
    if (this.isReady) {
      this.#thaw = setTimeout(() => this.#continue(), ms + THAW_GRACE_MS);
      void this.server.kill('SIGSTOP').catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    this.#isClosing = true;
    if (this.#thaw !== undefined) {
      this.#continue();
    }
    await this.#reviving;
    await this.server.stop();
  }

  #continue(): void {
    clearTimeout(this.#thaw);
    this.#thaw = undefined;
    // A second one for a SIGSTOP that was still on its way.
    void this.server
      .kill('SIGCONT')
      .then(() => sleep(THAW_GRACE_MS))
      .then(() => this.server.kill('SIGCONT'))
      .catch(() => undefined);
  }

  async #revive(): Promise<void> {
    while (!this.#isClosing) {
      this.#life += 1;
      const { delayMs, killedAfterMs } = this.#drawLife(this.#life);
      await sleep(this.#isCalm ? 0 : delayMs);
      const start = this.server.start().then(
        () => true,
        (error: unknown) => {
          this.#failure = error; // Mostly that it was killed again while it recovered.
          return false;
        },
      );
      if (killedAfterMs !== undefined && !this.#isCalm) {
        await sleep(killedAfterMs);
        await this.#killNow(true);
      }
      if ((await start) && this.server.pid !== undefined) {
        this.#isUp = true;
        this.#failure = undefined;
        return;
      }
    }
  }

  async #killNow(inRecovery: boolean): Promise<void> {
    try {
      await this.server.kill('SIGKILL');
      this.#onKilled(inRecovery);
    } catch {
      // It did not run just then.
    }
  }
}
