// Judges when participants delete evidence rows: what may still be asked of them must be answerable, whatever wall clocks say (D6, D10).
import { parseRow } from '../../src/xa/evidence.ts';
import type { System } from './system.ts';

/** The only proof of a commit in one phase stays so long at the least; whoever lost its answer asks before that. */
const KEPT_MS = 60_000;

/** `committedAt`: simulated time at which an engine committed a branch at a participant's word. */
export function judgeEvidence(
  { sites, coordinator, world }: System,
  committedAt: ReadonlyMap<string, number>,
  say: (what: string, details: string) => void,
): void {
  for (const { parts } of sites) {
    parts.engine.onForget = (id) => {
      const since = committedAt.get(id);
      const isDecided = coordinator.durable.has(parseRow(id)?.gtrid ?? '');
      // Of a decision the log is the proof, and its row goes with it.
      if (since !== undefined && !isDecided && world.now - since < KEPT_MS) {
        const ageMs = Math.round(world.now - since);
        say('D10', `${parts.name} deletes the only proof that ${id} is committed, ${ageMs} ms after its commit`);
      }
    };
  }
}
