// Whether the participants of a resource see one database: what one of them writes there, the others must read. The engine's identity
// does not tell that, since a byte copy, and a standby that was promoted while its primary lives on, have the same.
import type { Clock, Timer } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Random } from '../../lib/random.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Directory, KnownResource, Link, TokenAnswer } from '../calls/directory.ts';

/** How often those that are attached show it again: a database may be split in two while its participants are connected. */
const RECHECK_MS = 5_000;
const TOKEN_CHARS = 20;

interface WitnessParts {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: EventLogger;
}

export class Witness {
  readonly #parts: WitnessParts;
  #timer: Timer | undefined;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
    parts.directory.onChange(() => this.#watch());
  }

  /**
   * Whether a newcomer may take part, which has just written `token` into its database. Undefined: there is nobody to compare it with.
   * Otherwise it resolves when one that is attached has read the token. One whose database does not answer cannot vouch for it: that one
   * has to attach anew, so that it is compared with the newcomer once its database is back.
   * @throws {CoordinatorError} as a rejection: `RESOURCE_IDENTITY`, it is another database; `RESOURCE_UNAVAILABLE`, nobody can tell now.
   */
  admit(newcomer: Link, token: string): Promise<void> | undefined {
    return this.#attachedBefore(newcomer) === undefined ? undefined : this.#compare(newcomer, token);
  }

  async #compare(newcomer: Link, token: string): Promise<void> {
    for (let attached = this.#attachedBefore(newcomer); attached; attached = this.#attachedBefore(newcomer)) {
      const answer = await this.#ask(attached, (link) => link.readToken(newcomer.instance));
      if (!this.#isAttached(attached)) {
        continue; // What it said or did not say does not count: it may have left because its database did.
      }
      if (answer.kind === 'token') {
        if (answer.token === '' || answer.token !== token) {
          throw copyError(newcomer, attached);
        }
        return;
      }
      const { resource, instance } = attached;
      this.#parts.logger.warn({ evt: 'participant-cannot-vouch', resource, instance, message: answer.message });
      attached.refuse(
        new CoordinatorError(
          'RESOURCE_UNAVAILABLE',
          `the database does not answer this participant: ${answer.message}. Another one of ${resource} takes its place until it does`,
        ),
      );
    }
  }

  /** One that takes part already, a sidecar if there is one. An earlier stream of the same participant is not a second one. */
  #attachedBefore(newcomer: Link): Link | undefined {
    const links = this.#parts.directory.get(newcomer.resource)?.links ?? [];
    const others = links.filter((link) => link.instance !== newcomer.instance);
    return others.find((link) => link.kind === 'sidecar') ?? others[0];
  }

  #isAttached(link: Link): boolean {
    return this.#parts.directory.get(link.resource)?.links.includes(link) === true;
  }

  /** @throws {CoordinatorError} it is attached and does not answer. */
  async #ask(link: Link, ask: (link: Link) => Promise<TokenAnswer>): Promise<TokenAnswer> {
    try {
      return await ask(link);
    } catch (error) {
      if (this.#isAttached(link)) {
        const message = `the participant ${link.instance}${at(link)} of ${link.resource} does not say whether it sees the same database`;
        throw new CoordinatorError('RESOURCE_UNAVAILABLE', message, { cause: error });
      }
      return { kind: 'failed', message: 'it has left' };
    }
  }

  /** As long as any resource has two participants. */
  #watch(): void {
    if (this.#timer !== undefined || this.#shared().length === 0) {
      return;
    }
    this.#timer = this.#parts.clock.after(RECHECK_MS, () => {
      void Promise.allSettled(this.#shared().map((resource) => this.#recheck(resource))).then(() => {
        this.#timer = undefined;
        this.#watch();
      });
    });
  }

  #shared(): readonly KnownResource[] {
    return this.#parts.directory.all().filter(({ links }) => links.length > 1);
  }

  /** The one that is attached for the longest time writes, and the others read. Whoever cannot say just now is asked another time. */
  async #recheck({ links: [oldest, ...others] }: KnownResource): Promise<void> {
    const token = this.#parts.random.base32(TOKEN_CHARS);
    if (oldest === undefined || (await oldest.showToken(token)).kind === 'failed') {
      return;
    }
    await Promise.allSettled(
      others.map(async (link) => {
        const answer = await link.readToken(oldest.instance);
        if (answer.kind === 'token' && answer.token !== token && this.#isAttached(oldest) && this.#isAttached(link)) {
          link.refuse(copyError(link, oldest));
        }
      }),
    );
  }
}

function copyError(newcomer: Link, attached: Link): CoordinatorError {
  const { resource, instance } = newcomer;
  return new CoordinatorError(
    'RESOURCE_IDENTITY',
    `the participant ${instance}${at(newcomer)} is at a copy of the database of ${resource}: what one writes, the participant ` +
      `${attached.instance}${at(attached)}, which is attached, does not read. Only one of the two databases can be ${resource}. ` +
      'Next: stop the participant of the other, or give that database a name of its own',
  );
}

function at({ address }: Link): string {
  return address === '' ? '' : ` (${address})`;
}
