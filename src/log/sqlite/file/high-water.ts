// The high-water file: how far the log is known to have come, kept apart from it, because SQLite does not report a lost tail.
import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import type { Clock, Timer } from '../../../lib/clock.ts';
import type { LogIdentity } from '../../../xa/xid.ts';
import { parseLogIdentity } from '../../../xa/xid.ts';

/** A frame that is known to be durable, and with it everything before it. */
export interface HighWater {
  readonly identity: LogIdentity;
  readonly frame: number;
  /** The highest record sequence up to this frame. */
  readonly sequence: number;
  readonly hash: Uint8Array;
}

/** Two lines: a JSON object, and the SHA-256 of that line. */
export function encodeHighWater(mark: HighWater): string {
  const { identity, frame, sequence, hash } = mark;
  const line = JSON.stringify({ identity, frame, sequence, hash: Buffer.from(hash).toString('hex') });
  return `${line}\n${digest(line)}\n`;
}

/** Total: a mark, or undefined for everything that `encodeHighWater` did not make. */
export function decodeHighWater(text: string): HighWater | undefined {
  const [line, check, end, ...rest] = text.split('\n');
  if (line === undefined || check !== digest(line) || end !== '' || rest.length > 0) {
    return undefined;
  }
  try {
    const { identity, frame, sequence, hash } = JSON.parse(line);
    const parsed = parseLogIdentity(String(identity));
    const numbers = Number.isSafeInteger(frame) && Number.isSafeInteger(sequence);
    if (parsed === undefined || !numbers || !/^[0-9a-f]{64}$/.test(String(hash))) {
      return undefined;
    }
    return { identity: parsed, frame, sequence, hash: Buffer.from(hash, 'hex') };
  } catch {
    return undefined;
  }
}

/** What a high-water file says; `missing` and `damaged` are different news. @throws what the file system reports. */
export async function readHighWater(path: string): Promise<HighWater | 'missing' | 'damaged'> {
  try {
    return decodeHighWater(await readFile(path, 'utf8')) ?? 'damaged';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return 'missing';
    }
    throw error;
  }
}

/** Replaces the file as a whole: a crash leaves the old mark or the new one, never half of one. */
export async function writeHighWater(path: string, mark: HighWater): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(encodeHighWater(mark));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}

/** How long a mark may wait: the file is written at most this often, since its fsyncs disturb those of the log and of databases beside it. */
const DELAY_MS = 1_000;

/** Writes the newest mark behind the commit path. The file may lag; it is never ahead of the log. */
export class HighWaterKeeper {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #failed: (error: Error) => void;
  #newest: HighWater | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #ended = false;

  /** @param failed called when the file could not be written for another reason than that the volume is full. */
  constructor(path: string, clock: Clock, failed: (error: Error) => void) {
    this.#path = path;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Notes that everything up to `mark` is on stable storage. */
  note(mark: HighWater): void {
    this.#newest = mark;
    if (this.#timer === undefined && this.#writing === undefined && !this.#ended) {
      this.#timer = this.#clock.after(DELAY_MS, () => this.#write());
    }
  }

  /**
   * Writes the newest mark, unless the log has failed, and resolves when nothing is being written any more: the next life must
   * not meet a straggler of this one. Never rejects, since an older mark is also true.
   */
  async end(write: boolean): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    await this.#writing;
    if (write) {
      this.#write();
      await this.#writing;
    }
  }

  #write(): void {
    this.#timer = undefined;
    const mark = this.#newest;
    if (mark === undefined) {
      return;
    }
    this.#newest = undefined;
    this.#writing = writeHighWater(this.#path, mark)
      .catch((error: NodeJS.ErrnoException) => {
        // A full volume makes it lag until the next mark, which is no danger to any decision. Anything else means that the directory is
        // not what it was, and that the log may not be either.
        if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') {
          this.#failed(error);
        }
      })
      .then(() => {
        this.#writing = undefined;
        if (this.#newest !== undefined) {
          this.note(this.#newest);
        }
      });
  }
}

function digest(line: string): string {
  return createHash('sha256').update(line).digest('hex');
}
