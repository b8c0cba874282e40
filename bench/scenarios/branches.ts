// What more branches cost: a coordinator in its own process, participants without databases over gRPC, one transaction at a time.
import { load } from '../coordinator/load.ts';
import type { Participant } from '../coordinator/participants.ts';
import { wrongAfter } from '../coordinator/wrong.ts';
import { quantile } from '../report.ts';
import { type CoordinatorProcess, scratch, startCoordinator } from './process.ts';
import type { Findings, Line, Scenario, Settings } from './scenario.ts';

export const branches: Scenario = {
  summary:
    'latency of a commit by its number of branches. Participants over gRPC without databases, all played by the bench;\n  they answer at once, or as late as a database would: only then it shows that branches are told in parallel.',
  options: {
    counts: { fallback: '1,2,4,8,16,32', help: 'branches of a transaction' },
    'answer-ms': { fallback: '0,2', help: 'how long a participant takes for its vote, and again for its commit' },
    'in-flight': { fallback: '1', help: 'transactions at once' },
    rounds: { fallback: '3', help: 'rounds, in which every number of branches has its turn' },
    seconds: { fallback: '2', help: 'for each turn' },
  },
  async run(settings, onProgress) {
    const lines: Line[] = [];
    const wrong: string[] = [];
    for (const answerMs of settings.numbers('answer-ms')) {
      const findings = await measure(answerMs, settings, onProgress);
      lines.push(...findings.lines);
      wrong.push(...findings.wrong);
    }
    return { lines, wrong };
  },
};

async function measure(answerMs: number, settings: Settings, onProgress: (text: string) => void): Promise<Findings> {
  const counts = settings.numbers('counts');
  const [inFlight, rounds, seconds] = ['in-flight', 'rounds', 'seconds'].map((name) => settings.positive(name)) as [
    number,
    number,
    number,
  ];
  await using stack = new AsyncDisposableStack();
  const coordinator: CoordinatorProcess = stack.use(await startCoordinator(await scratch(stack)));
  const resources = Array.from({ length: Math.max(...counts) }, (_, n) => `resource-${n}`);
  const participants: Participant[] = [];
  for (const resource of resources) {
    participants.push(await coordinator.participant({ resource, answerMs }));
  }
  const latencies = new Map(counts.map((count): [number, number[]] => [count, []]));
  const commits = participants.map(() => 0);
  // Round 0 is the warm-up.
  for (let round = 0; round <= rounds; round += 1) {
    onProgress(`answers after ${answerMs} ms, ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}`);
    for (const [count, all] of latencies) {
      const taken = await load(coordinator.client, { resources: resources.slice(0, count), inFlight, seconds });
      latencies.set(count, round === 0 ? [] : all.concat(taken));
      commits.forEach((_, n) => {
        commits[n] = (commits[n] ?? 0) + (n < count ? taken.length : 0);
      });
    }
  }
  const wrong = await Promise.all(participants.map((one, n) => wrongAfter(coordinator, [one], commits[n] ?? 0)));
  const ofTwo = quantile(latencies.get(2) ?? [], 0.5);
  const lines = [...latencies].map(([count, all]) => ({
    'answer ms': answerMs,
    branches: count,
    commits: all.length,
    'p50 ms': quantile(all, 0.5),
    'p99 ms': quantile(all, 0.99),
    'p50 to that of 2': quantile(all, 0.5) / ofTwo,
  }));
  return { lines, wrong: [...new Set(wrong.flat())] };
}
