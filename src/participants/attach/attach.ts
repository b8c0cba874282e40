// The attach stream's life: hello, welcome, the epoch made durable, ready; and from the beginning again when it breaks.

import type { AttachHello } from '../../gen/concordat/v1/AttachHello.ts';
import type { CoordinatorMessage__Output } from '../../gen/concordat/v1/CoordinatorMessage.ts';
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import { backoffDelayMs } from '../../lib/backoff.ts';
import type { Timer } from '../../lib/clock.ts';
import { Pulse } from '../../lib/pulse.ts';
import { atMost } from '../../lib/wait.ts';
import { ATTACH_AGAIN_MS, WELCOME_WAIT_MS } from '../../xa/times.ts';
import { EPOCH_LEAP_MAX, type LogIdentity } from '../../xa/xid.ts';
import type { RecordedLife } from '../resource-manager.ts';
import type { AttachOptions, AttachState } from './attach-state.ts';
import { type Command, decodeCommand, type Welcome } from './command.ts';
import { heartbeatMessage } from './report.ts';
import { lifeStandingOf, refusalText } from './served-life.ts';

const BACKOFF = { firstMs: 100, maxMs: ATTACH_AGAIN_MS } as const;
/** How long the last words may take when the participant stops. */
const FAREWELL_MS = 1_000;

export class Attach {
  readonly #options: AttachOptions;
  #state: AttachState = { kind: 'detached' };
  /** Changes with every stream and every end of one, so that what an earlier one still says is not heard. */
  #generation = 0;
  #attempts = 0;
  #timer: Timer | undefined;
  /** What the engine is, as it was introduced last. */
  #engine = '';
  /** The logs that the engine knew then: what the coordinator was shown. */
  #logs: NonNullable<AttachHello['logs']> = [];
  /** What the engine had recorded when it was asked last. */
  #recorded: { readonly identity: LogIdentity; readonly epoch: number } | undefined;

  constructor(options: AttachOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#connect();
  }

  /** Ends the stream after what was reported, and does not come back. Never rejects. */
  async stop(): Promise<void> {
    const link = this.#state.kind === 'detached' ? undefined : this.#state.link;
    this.#detach();
    if (link !== undefined) {
      await atMost(link.end(), { clock: this.#options.clock, timeoutMs: FAREWELL_MS });
      link.destroy();
    }
  }

  /** Gives the stream up and begins anew. */
  restart(why: string): void {
    if (this.#state.kind !== 'detached') {
      this.#state.link.destroy();
      this.#again(why);
    }
  }

  /** The life of the log that this participant serves now; undefined: none. */
  get serving(): Welcome | undefined {
    return this.#state.kind === 'ready' ? this.#state.welcome : undefined;
  }

  /** In this turn; dropped when no coordinator is there to hear it, which the next hello and reconciliation make up for (D9). */
  report(message: ParticipantMessage): void {
    if (this.#state.kind === 'ready') {
      this.#state.link.send(message);
    } else if ('untold' in this.#state) {
      this.#state.untold.push(message);
    }
  }

  /** What the engine has recorded speaks against the coordinator: says so and does nothing more for it. */
  refuse(life: Welcome, recorded: RecordedLife): void {
    const state = this.#state;
    if (lifeStandingOf(life, recorded) === 'moved') {
      this.restart('the database has recorded another life of the log meanwhile');
    } else if (state.kind === 'ready' || state.kind === 'raising' || state.kind === 'comparing') {
      const evt = lifeStandingOf(life, recorded) === 'leap' ? 'epoch-leap' : 'epoch-stale';
      const { epoch } = recorded;
      this.#options.logger.error({ evt, epoch, message: refusalText(life, recorded, this.#engine) });
      this.#state = { kind: 'stale', link: state.link, pulse: state.pulse };
      // A row of an older version has no token, and none would mean that nothing is told.
      state.link.send({ ready: { epoch, lifeToken: recorded.token || 'none' } });
      this.#timer = this.#options.clock.after(WELCOME_WAIT_MS, () => this.restart('the epoch is stale'));
      if (state.kind === 'ready') {
        this.#options.onDetached();
      }
    }
  }

  async #connect(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    const { introduce, held, dial } = this.#options;
    let hello: AttachHello;
    try {
      hello = await introduce();
    } catch (error) {
      if (generation === this.#generation) {
        this.#options.engine.failed(error);
        this.#again(undefined);
      }
      return;
    }
    if (generation !== this.#generation) {
      return;
    }
    this.#engine = hello.engine ?? '';
    this.#logs = hello.logs ?? [];
    const link = dial({
      onMessages: (messages) => this.#heard(generation, messages),
      onClosed: (why) => {
        if (generation === this.#generation) {
          this.#again(why);
        }
      },
    });
    this.#state = { kind: 'greeting', link, untold: [] };
    link.send({ hello: { ...hello, held: held() } });
    this.#timer = this.#options.clock.after(WELCOME_WAIT_MS, () => this.restart('the coordinator does not answer'));
  }

  #heard(generation: number, messages: readonly CoordinatorMessage__Output[]): void {
    for (const message of messages) {
      if (generation !== this.#generation) {
        return;
      }
      if ('pulse' in this.#state) {
        this.#state.pulse.heard();
      }
      this.#obey(generation, decodeCommand(message));
    }
  }

  #obey(generation: number, command: Command): void {
    switch (command.kind) {
      case 'welcome':
        void this.#raise(generation, command.welcome);
        return;
      case 'admitted':
        this.#takePart();
        return;
      case 'refused': {
        const { logger, onRefused } = this.#options;
        logger.error({ evt: 'attach-refused', code: command.error.code, message: command.error.message });
        this.restart('the coordinator refused');
        onRefused(command.error);
        return;
      }
      case 'malformed':
        this.#options.logger.warn({ evt: 'message-malformed', detail: command.detail });
        return;
      case 'heartbeat':
        return;
      default:
        // Before ready nothing is done for a coordinator whose epoch the engine may not know, or may have passed.
        if (this.#state.kind === 'ready') {
          this.#options.onCommand(command, this.#state.welcome);
        }
    }
  }

  async #raise(generation: number, welcome: Welcome): Promise<void> {
    if (this.#state.kind !== 'greeting') {
      return;
    }
    const { clock, raiseEpoch, onLife, showToken } = this.#options;
    const { link, untold } = this.#state;
    this.#timer?.cancel();
    const pulse = new Pulse({
      clock,
      intervalMs: welcome.heartbeatMs,
      beat: () => link.send(heartbeatMessage(this.#options.engine.trouble)),
      onSilence: () => this.restart('the coordinator is silent'),
    });
    this.#state = { kind: 'raising', link, untold, pulse };
    const known = this.#recorded?.identity === welcome.identity ? this.#recorded.epoch : undefined;
    if (known !== undefined && welcome.epoch <= known + EPOCH_LEAP_MAX) {
      // Before the engine answers: it may be away, and branches of an older life would keep their locks.
      onLife(welcome.identity, welcome.epoch);
    }
    let recorded: RecordedLife;
    let shownToken: string;
    try {
      recorded = await raiseEpoch(welcome, this.#previous(welcome));
      shownToken = await showToken();
    } catch (error) {
      if (generation === this.#generation) {
        this.#options.engine.failed(error);
        this.restart('the engine cannot record the epoch or the token');
      }
      return;
    }
    if (generation !== this.#generation) {
      return;
    }
    this.#recorded = { identity: welcome.identity, epoch: recorded.epoch };
    onLife(welcome.identity, recorded.epoch);
    if (lifeStandingOf(welcome, recorded) !== 'served') {
      this.refuse(welcome, recorded);
      return;
    }
    this.#state = { kind: 'comparing', link, untold, pulse, welcome };
    link.send({ ready: { epoch: recorded.epoch, lifeToken: recorded.token, shownToken } });
  }

  #takePart(): void {
    if (this.#state.kind !== 'comparing') {
      return;
    }
    const { link, untold, pulse, welcome } = this.#state;
    this.#attempts = 0;
    this.#state = { kind: 'ready', link, welcome, pulse };
    for (const message of untold) {
      link.send(message);
    }
    this.#options.logger.info({ evt: 'attached', log: welcome.identity, epoch: welcome.epoch });
    this.#options.onReady(welcome);
  }

  #previous({ identity }: Welcome): RecordedLife {
    const known = this.#logs.find((log) => log.identity === identity);
    return { epoch: Number(known?.epoch ?? 0), token: known?.lifeToken ?? '' };
  }

  #again(why: string | undefined): void {
    const { clock, random, logger } = this.#options;
    this.#detach();
    this.#attempts += 1;
    const delayMs = Math.round(backoffDelayMs(BACKOFF, this.#attempts, random));
    if (why !== undefined) {
      logger.warn({ evt: 'detached', attempt: this.#attempts, retryInMs: delayMs, message: why });
    }
    this.#timer = clock.after(delayMs, () => void this.#connect());
  }

  #detach(): void {
    const state = this.#state;
    this.#generation += 1;
    this.#timer?.cancel();
    this.#state = { kind: 'detached' };
    if ('pulse' in state) {
      state.pulse.stop();
    }
    if (state.kind === 'ready') {
      this.#options.onDetached();
    }
  }
}
