// What an application does with a transfer that was rolled back for its locks: it tries again.
import { OutcomeUnknownError } from '../../src/client/index.ts';
import type { Contestant } from '../contestant.ts';

/** So often in a row is no bad luck any more. */
const ATTEMPTS_MAX = 200;

/** @param onRolledBack called for each attempt that failed and is made again; what may have committed is not. */
export function retrying(contestant: Contestant, onRolledBack: () => void): Contestant {
  return {
    name: contestant.name,
    async transfer(from, to) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await contestant.transfer(from, to);
        } catch (error) {
          if (error instanceof OutcomeUnknownError || attempt === ATTEMPTS_MAX) {
            throw error;
          }
          onRolledBack();
        }
      }
    },
  };
}
