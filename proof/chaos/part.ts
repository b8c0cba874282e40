// One process of the system that is brought back whenever it dies: the keeper, and what may be done to it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child, Ended, Saying } from './child.ts';
import { CALM, type Life, type PartKind, type PartName } from './plan.ts';

export interface PartOptions {
  readonly kind: PartKind;
  readonly name: string;
  readonly start: (life: number, failpoints: string) => Promise<Child>;
  /** What it says when it can work: all of it, in any order. */
  readonly ready: readonly Saying[];
  /** How its next life is to be. */
  readonly drawLife: (life: number) => Life;
  readonly onDeath: (death: Death) => void;
  /** Called in each life when it is ready. */
  readonly onReady: (child: Child) => void;
}

export interface Death {
  readonly part: PartName;
  readonly pid: number;
  readonly failpoints: string;
  readonly ended: Ended;
  /** It had not come so far that it could work: it died while it recovered. */
  readonly inRecovery: boolean;
  /** Nobody outside has killed it: a failpoint has, or it ended by itself. */
  readonly bySelf: boolean;
  readonly lastWords: string;
}

const WATCH_MS = 50;
/** How long a process that has stopped itself at a failpoint stays there. */
const STOPPED_MS = 700;

export class Part {
  readonly kind: PartKind;
  readonly name: string;
  readonly #options: PartOptions;
  #child: Child | undefined;
  #isReady = false;
  #isCalm = true;
  #isClosing = false;
  #struck = false;
  #frozenUntil = 0;
  #armed = '';
  #isArmed = false;
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: PartOptions) {
    this.#options = options;
    this.kind = options.kind;
    this.name = options.name;
  }

  get isReady(): boolean {
    return this.#isReady && this.#child?.isRunning === true;
  }

  get lastWords(): string {
    return this.#child?.lastWords ?? '';
  }

  get child(): Child | undefined {
    return this.#child;
  }

  /** Keeps it alive from now on. */
  keep(): void {
    this.#keeping = this.#keep();
  }

  /** Calm: started again at once, without failpoints, and nothing stays frozen. */
  calm(isCalm: boolean): void {
    this.#isCalm = isCalm;
    if (isCalm) {
      this.#frozenUntil = 0;
    }
  }

  /** Its next lives have these failpoints, and where one stops it, it stays until `disarm`. */
  arm(failpoints: string): void {
    this.#armed = failpoints;
    this.#isArmed = false;
  }

  /** Whether this life has what `arm` asked for. */
  get isArmed(): boolean {
    return this.#isArmed;
  }

  /** Goes on where it was stopped; its next lives are as drawn. */
  disarm(): void {
    this.#armed = '';
    this.#isArmed = false;
    this.#child?.signal('SIGCONT');
  }

  /** @returns whether there was something to kill. */
  kill(): boolean {
    if (this.#child?.isRunning !== true) {
      return false;
    }
    this.#struck = true;
    this.#child.signal('SIGKILL');
    return true;
  }

  /** SIGTERM. @returns whether there was something to end. */
  restart(): boolean {
    if (!this.isReady) {
      return false;
    }
    this.#struck = true;
    this.#child?.signal('SIGTERM');
    return true;
  }

  /** SIGSTOP; the keeper continues it after `ms`, or when calm comes. */
  freeze(ms: number): void {
    if (this.#child?.isRunning === true) {
      this.#frozenUntil = performance.now() + ms;
      this.#child.signal('SIGSTOP');
    }
  }

  /** Ends the keeping, and the process with `signal`. @returns how it ended; undefined: it did not run. */
  async stop(signal: 'SIGTERM' | 'SIGKILL', withinMs: number): Promise<Ended | undefined> {
    this.#isClosing = true;
    const child = this.#child;
    let ended: Ended | undefined;
    if (child?.isRunning === true) {
      child.signal('SIGCONT');
      child.signal(signal);
      const force = setTimeout(() => child.signal('SIGKILL'), withinMs);
      ended = await child.ended;
      clearTimeout(force);
    }
    await this.#keeping;
    return ended;
  }

  async #keep(): Promise<void> {
    for (let life = 1; !this.#isClosing; life += 1) {
      const drawn = this.#options.drawLife(life);
      const { delayMs, killedAfterMs, ...plan } = this.#isCalm ? CALM : drawn;
      await sleep(delayMs);
      if (this.#isClosing) {
        return;
      }
      const failpoints = this.#armed || plan.failpoints;
      const child = await this.#options.start(life, failpoints);
      this.#isArmed = this.#armed !== '';
      this.#child = child;
      this.#struck = false;
      this.#frozenUntil = 0;
      const watch = setInterval(() => this.#thaw(child), WATCH_MS);
      const second =
        killedAfterMs === undefined ? undefined : setTimeout(() => !this.#isCalm && this.kill(), killedAfterMs);
      void Promise.all(this.#options.ready.map((saying) => child.says(saying))).then((said) => {
        if (said.every(Boolean)) {
          this.#isReady = true;
          this.#options.onReady(child);
        }
      });
      const ended = await child.ended;
      const inRecovery = life > 1 && !this.#isReady;
      this.#isReady = false;
      clearInterval(watch);
      clearTimeout(second);
      const { kind, name } = this;
      const bySelf = !this.#struck && !this.#isClosing;
      const { pid, lastWords } = child;
      this.#options.onDeath({ part: { kind, name }, pid, failpoints, ended, inRecovery, bySelf, lastWords });
    }
  }

  /** Continues what stands still, be it by our hand or at a failpoint. */
  #thaw(child: Child): void {
    if (!child.isStopped || this.#isArmed) {
      return;
    }
    if (this.#frozenUntil === 0 && !this.#isCalm) {
      this.#frozenUntil = performance.now() + STOPPED_MS;
    } else if (performance.now() >= this.#frozenUntil) {
      this.#frozenUntil = 0;
      child.signal('SIGCONT');
    }
  }
}
