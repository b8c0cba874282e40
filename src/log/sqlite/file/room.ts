// Room on the volume: begins are refused while decisions still fit, and a ballast file gives way when it gets tight.
import { open, rename, rm, stat } from 'node:fs/promises';
import type { Clock, Timer } from '../../../lib/clock.ts';
import type { LogFiles, Volume } from './files.ts';

const CHECK_MS = 5_000;
const CHUNK_BYTES = 1024 * 1024;
/** What a volume has that cannot be asked: as much as any number can say. */
const UNKNOWN_BYTES = Number.MAX_SAFE_INTEGER;

interface RoomSettings {
  readonly files: LogFiles;
  readonly volume: Volume;
  readonly clock: Clock;
  /** Below this many free bytes there is no room for new transactions. */
  readonly roomBytesMin: number;
  /** The size of the ballast; 0: none. It is given up when less than its own size is free. */
  readonly ballastBytes: number;
}

/** Watches the volume every few seconds. Nothing here ever fails the log: a volume that cannot be asked has room. */
export class Room {
  readonly #settings: RoomSettings;
  #freeBytes = UNKNOWN_BYTES;
  #missingBytes = 0;
  #timer: Timer | undefined;
  #checking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(settings: RoomSettings) {
    this.#settings = settings;
  }

  /** Free bytes of the volume when it was last looked at. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** A ballast that was given up counts as used: with it back there must still be room. */
  get hasRoom(): boolean {
    return this.#freeBytes - this.#missingBytes >= this.#settings.roomBytesMin;
  }

  /** Looks once, before anything is written: a log on a full volume starts on its ballast. */
  async prepare(): Promise<void> {
    await this.#look();
    await this.#releaseIfTight();
  }

  /** Looks now, and then every few seconds. `looked` is called after each look. */
  watch(looked: () => void): void {
    this.#checking = this.#check().then(looked);
    void this.#checking.then(() => {
      if (!this.#stopped) {
        this.#timer = this.#settings.clock.after(CHECK_MS, () => this.watch(looked));
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#checking;
  }

  async #check(): Promise<void> {
    await this.#look();
    await this.#releaseIfTight();
    if (this.#missingBytes > 0 && this.hasRoom) {
      await this.#makeBallast().catch(() => undefined);
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { files, volume, ballastBytes } = this.#settings;
    this.#freeBytes = await volume.freeBytes(files.directory).catch(() => UNKNOWN_BYTES);
    const size = await stat(files.ballast).then(
      (found) => found.size,
      () => 0,
    );
    this.#missingBytes = Math.max(0, ballastBytes - size);
  }

  async #releaseIfTight(): Promise<void> {
    const { files, ballastBytes } = this.#settings;
    if (this.#freeBytes < ballastBytes && this.#missingBytes < ballastBytes) {
      await rm(files.ballast, { force: true }).catch(() => undefined);
      await this.#look();
    }
  }

  /** Written, not only sized: a file with holes keeps no room. Renamed when it is whole, so that half of one counts for nothing. */
  async #makeBallast(): Promise<void> {
    const { files, ballastBytes } = this.#settings;
    const temporary = `${files.ballast}.new`;
    const handle = await open(temporary, 'w', 0o600);
    try {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, ballastBytes));
      for (let written = 0; written < ballastBytes && !this.#stopped; written += chunk.byteLength) {
        await handle.write(chunk, 0, Math.min(chunk.byteLength, ballastBytes - written));
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await (this.#stopped ? rm(temporary, { force: true }) : rename(temporary, files.ballast));
  }
}
