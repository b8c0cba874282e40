// Says on stderr how far a run has come.

export interface Progress extends Disposable {
  /** What to say from now on. */
  say(text: () => string): void;
}

/** Where nobody looks on, it is only there to tell afterwards where a run has stood still. */
const EVERY_MS = process.stderr.isTTY ? 2_000 : 20_000;

export function showProgress(): Progress {
  const begun = performance.now();
  let text: (() => string) | undefined;
  const show = (): void => {
    if (text !== undefined) {
      process.stderr.write(`${Math.round((performance.now() - begun) / 1_000)} s: ${text()}\n`);
    }
  };
  const timer = setInterval(show, EVERY_MS);
  return {
    say(what) {
      text = what;
      show();
    },
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}

export const silence: Progress = { say: () => undefined, [Symbol.dispose]: () => undefined };
