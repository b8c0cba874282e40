// What a log's user said that it appended and was told is durable; and whether what is found in a log fits to that.
import type { Life } from '../../src/log/chain.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { gtridParts, parseGtrid } from '../../src/xa/xid.ts';
import type { Told } from './workload.ts';

export type Verdict =
  | { readonly kind: 'whole' }
  /** The log does not start: nothing is lost silently, but an honest disk must not bring this about. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'lost' | 'invented'; readonly why: string };

export const WHOLE: Verdict = { kind: 'whole' };

/** What a log holds: every record without its number, by transaction; registrations are under the empty name. */
export interface Found {
  readonly life: Life;
  readonly records: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What the program said up to some moment. */
export class Testimony {
  /** By transaction, and the registrations under the empty name. */
  readonly #durable = new Map<string, string[]>();
  readonly #asked = new Set<string>();
  readonly #askedDecided = new Set<string>();
  readonly #askedFinished = new Set<string>();
  /** Of what was found in a log, as long as nothing new is heard. */
  readonly #verdicts = new Map<Found, Verdict>();
  #lives = 0;
  #epoch = 0;
  #facts = 0;

  /** Grows with everything that must be there. */
  get size(): number {
    return this.#facts;
  }

  get acknowledged(): readonly Gtrid[] {
    return [...this.#durable].flatMap(([name, texts]) => {
      const gtrid = parseGtrid(name);
      return gtrid !== undefined && texts.some(isDecision) ? [gtrid] : [];
    });
  }

  hear(told: Told): void {
    this.#verdicts.clear();
    this.#lives += told.opening === true ? 1 : 0;
    this.#epoch = told.opened ?? this.#epoch;
    for (const text of told.asked ?? []) {
      this.#asked.add(text);
      if (isDecision(text)) {
        this.#askedDecided.add(nameOf(text));
      } else if (text.startsWith('{"kind":"finished"')) {
        this.#askedFinished.add(nameOf(text));
      }
    }
    for (const text of told.durable ?? []) {
      this.#facts += 1;
      const name = nameOf(text);
      this.#durable.set(name, [...(this.#durable.get(name) ?? []), text]);
    }
    this.#facts += told.opened === undefined ? 0 : 1;
  }

  judge(found: Found): Verdict {
    const known = this.#verdicts.get(found) ?? this.#compare(found);
    this.#verdicts.set(found, known);
    return known;
  }

  #compare({ life, records }: Found): Verdict {
    const { epoch, watermarkEpoch, watermarkSequence } = life;
    if (epoch < this.#epoch) {
      return { kind: 'lost', why: `epoch ${this.#epoch} had begun, and the log is in epoch ${epoch}` };
    }
    if (epoch > this.#lives) {
      return { kind: 'invented', why: `${this.#lives} lives were begun, and the log is in epoch ${epoch}` };
    }
    for (const [name, texts] of this.#durable) {
      const there = records.get(name);
      const missing = texts.find((text) => there?.has(text) !== true);
      if (missing !== undefined && !this.#mayHaveLeft(name, watermarkEpoch, watermarkSequence)) {
        return { kind: 'lost', why: `acknowledged and not there: ${missing}` };
      }
    }
    for (const texts of records.values()) {
      for (const text of texts) {
        if (!this.#asked.has(text)) {
          return { kind: 'invented', why: `there and never appended: ${text}` };
        }
      }
    }
    return WHOLE;
  }

  /**
   * Only what is closed and not above the watermark may be gone: the log then answers that it does not know any more. Its records
   * may be in two segments, of which the older one goes first.
   */
  #mayHaveLeft(name: string, watermarkEpoch: number, watermarkSequence: number): boolean {
    const gtrid = parseGtrid(name);
    if (gtrid === undefined) {
      return false;
    }
    const { epoch, sequence } = gtridParts(gtrid);
    const below = epoch < watermarkEpoch || (epoch === watermarkEpoch && sequence <= watermarkSequence);
    const closed = !this.#askedDecided.has(name) || this.#askedFinished.has(name);
    return below && closed;
  }
}

function isDecision(text: string): boolean {
  return text.startsWith('{"kind":"decided"');
}

const NAME = /"gtrid":"([^"]+)"/;

function nameOf(text: string): string {
  return NAME.exec(text)?.[1] ?? '';
}
