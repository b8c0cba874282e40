// Databases whose history is cut back: a failover to a standby that lags, a restore to an earlier moment, a snapshot that is put back.
// What came later never was. It may have been told; no proof may be taken from what is left.
import type { MemoryHistory } from '../../src/testing/engine/engine.ts';
import { parseRow } from '../../src/xa/evidence.ts';
import type { Chance } from './chance.ts';
import type { SimEngine } from './engine.ts';
import type { Site } from './site.ts';
import type { System } from './system.ts';

const KEPT_MAX = 4;

export class Histories {
  readonly #system: System;
  readonly #chance: Chance;
  /** Of each engine, oldest first. */
  readonly #kept = new Map<SimEngine, MemoryHistory[]>();

  constructor(system: System, chance: Chance) {
    this.#system = system;
    this.#chance = chance;
  }

  /** Keeps the state of the site's engine, or takes the engine back to one that was kept: `isDown` is called then, to start it again. */
  strike({ parts: { engine } }: Site, isDown: () => void): void {
    const kept = this.#kept.get(engine) ?? [];
    this.#kept.set(engine, kept);
    const { trace } = this.#system.world;
    if (kept.length === 0 || this.#chance.happens(0.6)) {
      trace.say('history', 'kept', engine.name);
      kept.push(engine.history());
      kept.splice(0, kept.length - KEPT_MAX);
      return;
    }
    const index = this.#chance.int(0, kept.length - 1);
    const past = kept[index];
    if (past !== undefined) {
      kept.splice(index + 1); // They are of a future that never was.
      this.#cut(engine, past);
      isDown();
    }
  }

  #cut(engine: SimEngine, past: MemoryHistory): void {
    const { world, attempts } = this.#system;
    const lost = engine.prepared().filter(({ id }) => !past.prepared.has(id));
    for (const { id } of lost) {
      const attempt = attempts.get(parseRow(id)?.gtrid ?? '');
      // What an earlier cut has brought back may have been carried out before that.
      attempt?.lose(engine.name, world.now, attempt.lostAt.has(engine.name) ? undefined : id);
    }
    for (const attempt of attempts.all) {
      const isGone = ({ site, key }: { readonly site: string; readonly key: string }): boolean =>
        site === engine.name && engine.read(undefined, key) !== undefined && !past.rows.has(key);
      if (attempt.writes.some(isGone)) {
        attempt.lose(engine.name, world.now);
      }
    }
    world.trace.say('history', 'cut back', { engine: engine.name, lost: lost.map(({ id }) => id) });
    engine.crash();
    engine.goBackTo(past);
  }
}
