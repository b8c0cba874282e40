// A case of the scripts, run: each line of what happens, and below it the change and every effect, in order.

import { AssertionError } from '../../src/lib/assert.ts';
import { type Branch, NO_CALLS, UNKNOWN } from '../../src/participants/engine/state.ts';
import { step } from '../../src/participants/engine/step.ts';
import type { Case } from '../engine/script.ts';
import { describeChange, describeEffect, describeQueries } from './trace.ts';
import { parseLine } from './words.ts';

/** The trace of a case. @throws {Error} a line is not in the vocabulary. */
export function runCase({ body }: Case): readonly string[] {
  let branch: Branch = { state: UNKNOWN, calls: NO_CALLS };
  const trace: string[] = [];
  for (const line of body.filter((text) => !text.startsWith('#'))) {
    const parsed = parseLine(line);
    const seen: string[] = [];
    if (parsed.kind === 'queries') {
      seen.push(...describeQueries(branch, parsed.own));
    } else if (parsed.kind === 'forgotten') {
      branch = { state: UNKNOWN, calls: branch.calls };
    } else {
      try {
        const next = step(branch, parsed.event);
        seen.push(...describeChange(branch, next), ...next.effects.map(describeEffect));
        branch = { state: next.state, calls: next.calls };
      } catch (error) {
        if (!(error instanceof AssertionError)) {
          throw error;
        }
        seen.push(`BUG OF THE RUNTIME: ${error.message}`);
      }
    }
    trace.push(line.trim(), ...(seen.length === 0 ? ['  (nothing)'] : seen.map((text) => `  ${text}`)));
  }
  return trace;
}
