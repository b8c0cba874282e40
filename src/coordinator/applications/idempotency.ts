// Request ids: a repeated request gets the first one's answer; the same id with another body is refused (faults B40). Each caller has ids
// of its own: what another caller has asked for under the same id is no business of his (X18).
import { FifoMap } from '../../lib/fifo-map.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { REQUEST_IDS_MAX } from '../../xa/limits.ts';
import type { Caller } from '../edge/callers.ts';

interface Remembered {
  readonly body: string;
  readonly answer: unknown;
}

/**
 * Remembers by count, in memory. What has to survive a restart is in the log itself: a decision and an operator's action carry
 * their request id, and everything else is undone by a restart (presumed abort), so that repeating it begins anew.
 */
export class RequestIds {
  readonly #known = new FifoMap<string, Remembered>(REQUEST_IDS_MAX);

  /**
   * Runs `first` unless the caller has used the id; then its answer is given again.
   * @throws {CoordinatorError} `REQUEST_ID_REUSED`
   */
  once<T>(caller: Caller, requestId: string, body: string, first: () => T): T {
    if (requestId === '') {
      return first();
    }
    const key = `${caller}\n${requestId}`;
    const known = this.#known.get(key);
    if (known !== undefined) {
      if (known.body !== body) {
        throw new CoordinatorError('REQUEST_ID_REUSED', `request id ${requestId} was used for another request`);
      }
      return known.answer as T;
    }
    // A refusal changed nothing and is not remembered: the same request may succeed later.
    const answer = first();
    this.#known.set(key, { body, answer });
    return answer;
  }
}
