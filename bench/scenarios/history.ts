// Whether a long past costs anything: coordinators on logs with and without finished transactions, started and loaded in turns.
import { load } from '../coordinator/load.ts';
import type { Participant } from '../coordinator/participants.ts';
import { wrongAfter } from '../coordinator/wrong.ts';
import { median, quantile } from '../report.ts';
import { writePast } from './log-writer.ts';
import { scratch, startCoordinator } from './process.ts';
import type { Scenario } from './scenario.ts';

const RESOURCES = ['accounts', 'orders'];
/** What a coordinator keeps if nobody says otherwise. */
const OUTCOMES_DEFAULT = 100_000;
const OUTCOMES_MIN = 1_000;

interface Contestant {
  readonly name: string;
  readonly directory: string;
  readonly outcomesMax: number;
  readonly starts: number[];
  readonly startCpus: number[];
  latencies: number[];
  seconds: number;
}

export const history: Scenario = {
  summary:
    'start time and latency with finished transactions in the log: none; so many, of which the retention keeps what it\n  keeps by default; and so many, all of them kept. Participants over gRPC without databases.',
  options: {
    finished: { fallback: '1000000', help: 'finished transactions' },
    'in-flight': { fallback: '32', help: 'transactions at once' },
    rounds: { fallback: '5', help: 'rounds, in which each log is started and loaded once' },
    seconds: { fallback: '3', help: 'of load in each' },
  },
  async run(settings, onProgress) {
    await using stack = new AsyncDisposableStack();
    const [transactions, rounds] = [settings.positive('finished'), settings.positive('rounds')];
    const [inFlight, seconds] = [settings.positive('in-flight'), settings.positive('seconds')];
    const make = async (name: string, past: number, outcomesMax: number): Promise<Contestant> => {
      const directory = await scratch(stack);
      await writePast(directory, { transactions: past, finished: true, resources: RESOURCES, outcomesMax }, onProgress);
      return { ...{ name, directory, outcomesMax, starts: [], startCpus: [], latencies: [] }, seconds: 0 };
    };
    const all = Math.max(OUTCOMES_MIN, transactions);
    const contestants = [
      await make('none', 0, OUTCOMES_DEFAULT),
      await make(`${transactions}, ${Math.min(transactions, OUTCOMES_DEFAULT)} kept`, transactions, OUTCOMES_DEFAULT),
      await make(`${transactions}, all kept`, transactions, all),
    ];
    const wrong: string[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      onProgress(`round ${round} of ${rounds}`);
      // Every other round goes backwards: nobody always follows the same neighbour.
      for (const contestant of round % 2 === 0 ? contestants.toReversed() : contestants) {
        wrong.push(...(await takeTurn(contestant, inFlight, seconds)));
      }
    }
    const base = contestants[0];
    const lines = contestants.map(({ name, starts, startCpus, latencies, seconds: loaded }) => ({
      finished: name,
      'start ms': median(starts),
      'to none': median(starts) / median(base?.starts ?? []),
      'start CPU ms': median(startCpus),
      'commits/s': latencies.length / loaded,
      'p50 ms': quantile(latencies, 0.5),
      'p50 to none': quantile(latencies, 0.5) / quantile(base?.latencies ?? [], 0.5),
      'p99 ms': quantile(latencies, 0.99),
    }));
    return { lines, notes: ['A start is counted from the start of its process.'], wrong: [...new Set(wrong)] };
  },
};

/** @returns what is wrong. */
async function takeTurn(contestant: Contestant, inFlight: number, seconds: number): Promise<string[]> {
  const retention = ['--retention-outcomes-max', String(contestant.outcomesMax)];
  await using coordinator = await startCoordinator(contestant.directory, retention);
  contestant.starts.push(coordinator.startMs);
  contestant.startCpus.push(coordinator.startCpuMs);
  const participants: Participant[] = [];
  for (const resource of RESOURCES) {
    participants.push(await coordinator.participant({ resource }));
  }
  const warmUp = await load(coordinator.client, { resources: RESOURCES, inFlight, seconds: seconds / 3 });
  const began = performance.now();
  const taken = await load(coordinator.client, { resources: RESOURCES, inFlight, seconds });
  contestant.seconds += (performance.now() - began) / 1_000;
  contestant.latencies = contestant.latencies.concat(taken);
  return await wrongAfter(coordinator, participants, warmUp.length + taken.length);
}
