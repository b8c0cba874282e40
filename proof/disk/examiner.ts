// Goes through the cuts of a recording: makes each state on a disk in memory and has it judged. Used by the worker processes, and
// for looking at one state.
import { hash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dice, seedOf } from './dice.ts';
import type { DiskEvent, FileAfter, Lies } from './disk.ts';
import { Disk } from './disk.ts';
import type { Readings } from './judge.ts';
import { judgeByReading, judgeByStarting } from './judge.ts';
import { fatesOf } from './states.ts';
import type { Verdict } from './testimony.ts';
import { Testimony } from './testimony.ts';
import type { Told } from './workload.ts';

export interface ExaminerSettings {
  readonly events: readonly DiskEvent[];
  readonly directory: string;
  readonly seed: number;
  readonly quota: number;
  readonly lies: Lies;
  /** One state in so many is also started, with all that a start writes. */
  readonly startOneIn: number;
}

export interface Finding {
  /** The cut and the number of the state there. */
  readonly state: string;
  readonly verdict: Exclude<Verdict, { kind: 'whole' }>;
}

export interface Examined {
  /** Of the contents of each state, 16 digits. */
  readonly hashes: readonly string[];
  readonly started: number;
  readonly findings: readonly Finding[];
}

/** Cuts must be examined in their order; the events between them are caught up with. */
export class Examiner {
  readonly #settings: ExaminerSettings;
  readonly #disk: Disk;
  readonly #told: Told[] = [];
  readonly #testimony = new Testimony();
  readonly #readings: Readings = new Map();
  readonly #judged = new Set<string>();
  /** What lies in the directory, by the keys of the contents. */
  readonly #written = new Map<string, string>();
  readonly #hashes = new Map<string, { readonly key: string; readonly hash: string }>();
  #at = 0;
  /**
   * The change just before the cut. Without it the disk is as it was at the cut before, where all that was judged; unless more has
   * been acknowledged since.
   */
  #newest: number | undefined;

  constructor(settings: ExaminerSettings) {
    this.#settings = settings;
    this.#disk = new Disk(settings.lies);
    mkdirSync(settings.directory, { recursive: true });
  }

  /**
   * Judges the states of one cut: the first `limit`, which may be fewer than the quota when time is short; or only the one with the
   * number `only`, which is then left in the directory.
   */
  async examine(
    cut: number,
    { limit, only }: { readonly limit?: number; readonly only?: number } = {},
  ): Promise<Examined> {
    this.#catchUp(cut);
    const { seed, quota, startOneIn, directory } = this.#settings;
    const hashes: string[] = [];
    const findings: Finding[] = [];
    let started = 0;
    let number = -1;
    for (const fate of fatesOf(this.#disk.pending(), quota, dice(seedOf(seed, cut)), this.#newest)) {
      number += 1;
      if (limit !== undefined && number >= limit) {
        break;
      }
      if (only !== undefined && number !== only) {
        continue;
      }
      const files = this.#disk.after(fate);
      const content = this.#hashOf(files);
      const distinct = `${content} ${this.#testimony.size}`;
      if (this.#judged.has(distinct)) {
        continue;
      }
      this.#judged.add(distinct);
      hashes.push(content);
      this.#write(files);
      let verdict = await judgeByReading(directory, this.#testimony, this.#readings);
      if (verdict.kind === 'whole' && Number.parseInt(content.slice(0, 8), 16) % startOneIn === 0) {
        started += 1;
        verdict = await judgeByStarting(directory, this.#testimonyAgain());
        this.#clear();
      }
      if (verdict.kind !== 'whole') {
        findings.push({ state: `${cut}:${number}`, verdict });
      }
    }
    return { hashes, started, findings };
  }

  #catchUp(cut: number): void {
    for (const event of this.#settings.events.slice(this.#at, cut)) {
      const number = this.#disk.apply(event);
      if (event.kind !== 'told') {
        this.#newest = number;
      } else {
        const told = JSON.parse(event.line) as Told;
        this.#told.push(told);
        const { size } = this.#testimony;
        this.#testimony.hear(told);
        this.#newest = this.#testimony.size === size ? this.#newest : undefined;
      }
    }
    this.#at = cut;
  }

  /** A start adds to what was told; the next state must not be asked for it. */
  #testimonyAgain(): Testimony {
    const again = new Testimony();
    for (const told of this.#told) {
      again.hear(told);
    }
    return again;
  }

  #hashOf(files: readonly FileAfter[]): string {
    const each = files.map((file) => {
      const known = this.#hashes.get(file.name);
      const found = known?.key === file.key ? known : { key: file.key, hash: hash('sha1', file.bytes()) };
      this.#hashes.set(file.name, found);
      return `${file.name} ${found.hash}`;
    });
    return hash('sha1', each.sort().join('\n')).slice(0, 16);
  }

  #write(files: readonly FileAfter[]): void {
    const { directory } = this.#settings;
    const wanted = new Set(files.map(({ name }) => name));
    // What the look at the state before this one made.
    rmSync(join(directory, 'log.db-shm'), { force: true });
    for (const name of [...this.#written.keys(), 'log.db-wal']) {
      if (!wanted.has(name)) {
        rmSync(join(directory, name), { force: true });
        this.#written.delete(name);
      }
    }
    for (const { name, key, bytes } of files) {
      if (this.#written.get(name) !== key) {
        writeFileSync(join(directory, name), bytes());
        this.#written.set(name, key);
      }
    }
  }

  #clear(): void {
    rmSync(this.#settings.directory, { recursive: true, force: true });
    mkdirSync(this.#settings.directory);
    this.#written.clear();
  }
}
