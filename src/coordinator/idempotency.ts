// Request ids: a repeated request gets the first one's answer; the same id with another body is refused (faults B40).
import { FifoMap } from '../lib/fifo-map.ts';
import { CoordinatorError } from '../xa/errors.ts';
import { REQUEST_IDS_MAX } from '../xa/limits.ts';

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
   * Runs `first` unless the id is known; then its answer is given again.
   * @throws {CoordinatorError} `REQUEST_ID_REUSED`
   */
  once<T>(requestId: string, body: string, first: () => T): T {
    if (requestId === '') {
      return first();
    }
    const known = this.#known.get(requestId);
    if (known !== undefined) {
      if (known.body !== body) {
        throw new CoordinatorError('REQUEST_ID_REUSED', `request id ${requestId} was used for another request`);
      }
      return known.answer as T;
    }
    // A refusal changed nothing and is not remembered: the same request may succeed later.
    const answer = first();
    this.#known.set(requestId, { body, answer });
    return answer;
  }
}
