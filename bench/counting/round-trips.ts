// Round trips: how often a client of a database has said something after the database had spoken last. Statements that are sent
// together are one.
import type { Meter } from './tap.ts';

export class RoundTrips {
  count = 0;

  /** For a connection. */
  meter(): Meter {
    let isAsked = false;
    return {
      there: () => {
        this.count += isAsked ? 0 : 1;
        isAsked = true;
      },
      back: () => {
        isAsked = false;
      },
    };
  }
}
