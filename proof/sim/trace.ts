// What happened in a simulation, line by line: a hash of it tells whether two runs were the same, and a person may read it.
import { createHash, type Hash } from 'node:crypto';

export class Trace {
  readonly #hash: Hash | undefined;
  readonly #print: ((line: string) => void) | undefined;
  #now: () => number = () => 0;

  /** `hash`: keeps a digest. `print` gets every line. Neither: nothing is kept, and lines cost nothing. */
  constructor(options: { readonly hash?: boolean; readonly print?: ((line: string) => void) | undefined } = {}) {
    this.#hash = options.hash === true ? createHash('sha256') : undefined;
    this.#print = options.print;
  }

  /** Whether anybody listens: whoever has to work for a line asks first. */
  get on(): boolean {
    return this.#hash !== undefined || this.#print !== undefined;
  }

  /** The simulated time of lines from now on. */
  follow(now: () => number): void {
    this.#now = now;
  }

  say(who: string, what: string, details?: unknown): void {
    if (!this.on) {
      return;
    }
    const said = details === undefined ? '' : ` ${JSON.stringify(details, replaceUnprintable)}`;
    const line = `${this.#now().toFixed(3).padStart(10)} ${who.padEnd(8)} ${what}${said}`;
    this.#hash?.update(`${line}\n`);
    this.#print?.(line);
  }

  digest(): string {
    return this.#hash?.copy().digest('hex') ?? '';
  }
}

function replaceUnprintable(_key: string, value: unknown): unknown {
  if (value instanceof Error) {
    return `${value.name}: ${value.message}`;
  }
  return typeof value === 'bigint' ? String(value) : value;
}
