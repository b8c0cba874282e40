// All canaries, a few at a time, each in a copy of the checkout that is whole before and after.
import { join } from 'node:path';
import { openScratch } from '../disk/scratch.ts';
import { type Canary, type Catcher, OutOfDate } from './canary.ts';
import { runCatcher, type Verdict } from './catcher.ts';
import { copyCheckout, plant } from './tree.ts';

/** A canary, or the same proof where nothing is planted: there it must find nothing. */
export interface Flight {
  readonly canary: Canary | undefined;
  readonly caughtBy: Catcher;
}

export interface Landing extends Flight {
  readonly verdict: Verdict;
  readonly seconds: number;
  /** Caught for the right reason; for a flight without a canary: silent. */
  readonly isRight: boolean;
}

export interface RunSettings {
  readonly flights: readonly Flight[];
  /** Copies of the checkout, and processes at a time. */
  readonly lanes: number;
  readonly onLanding: (landing: Landing) => void;
}

export async function fly({ flights, lanes, onLanding }: RunSettings): Promise<readonly Landing[]> {
  using scratch = openScratch();
  const waiting = [...flights];
  const landed: Landing[] = [];
  const lane = async (number: number): Promise<void> => {
    const directory = join(scratch.directory, `checkout-${number}`);
    copyCheckout(directory);
    for (let flight = waiting.shift(); flight !== undefined; flight = waiting.shift()) {
      const begun = performance.now();
      const { canary, caughtBy } = flight;
      let verdict: Verdict;
      try {
        using _ = canary && plant(canary, directory);
        verdict = await runCatcher(caughtBy, directory, scratch);
      } catch (error) {
        if (!(error instanceof OutOfDate)) {
          throw error;
        }
        verdict = { violations: [], isGreen: false, trouble: `out of date: ${error.message}` };
      }
      const seconds = (performance.now() - begun) / 1_000;
      const isRight =
        canary === undefined ? verdict.isGreen : verdict.violations.some((violation) => canary.sees.test(violation));
      const landing = { ...flight, verdict, seconds, isRight };
      landed.push(landing);
      onLanding(landing);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, flights.length) }, (_, number) => lane(number)));
  return landed;
}
