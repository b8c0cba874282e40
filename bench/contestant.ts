// What the bench measures: something that makes transfers, one after the other, for each of its clients.

export interface Contestant extends Partial<AsyncDisposable> {
  readonly name: string;
  /** One transfer of 1 from an account in the first database to one in the second, all or nothing. */
  transfer(from: number, to: number): Promise<void>;
}

export interface Window {
  readonly committed: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** NaN: not told. */
  readonly p999Ms: number;
}

export const ACCOUNTS = 10_000;

/**
 * A closed loop: each client starts its next transfer when the last one has ended.
 * @param pick the accounts of a transfer; any two if not given.
 */
export async function runWindow(
  contestant: Contestant,
  clients: number,
  seconds: number,
  pick: () => readonly [number, number] = () => [account(), account()],
): Promise<Window> {
  const latencies: number[] = [];
  let failed = 0;
  const start = performance.now();
  const end = start + seconds * 1_000;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const began = performance.now();
      try {
        await contestant.transfer(...pick());
        latencies.push(performance.now() - began);
      } catch (error) {
        failed += 1;
        if (failed === 1) {
          console.error(`${contestant.name}: ${error instanceof Error ? error.message : error}`);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  latencies.sort((a, b) => a - b);
  const share = (part: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? Number.NaN;
  return {
    committed: latencies.length,
    failed,
    seconds: (performance.now() - start) / 1_000,
    p50Ms: share(0.5),
    p99Ms: share(0.99),
    p999Ms: share(0.999),
  };
}

/** Any of the first `count`. */
export function account(count = ACCOUNTS): number {
  return 1 + Math.floor(Math.random() * count);
}
