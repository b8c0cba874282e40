// A start with a log full of decisions whose branches were never told: how soon it serves, and how soon all of them are committed.

import { eventually } from './eventually.ts';
import { writePast } from './log-writer.ts';
import { scratch, startCoordinator } from './process.ts';
import type { Scenario } from './scenario.ts';

const RESOURCES = ['accounts', 'orders'];
const OUTCOMES_MAX = 100_000;
/** Far beyond the target: recovery that hangs is wrong, recovery that is slow is not. */
const CLEARED_MS = 300_000;

export const recovery: Scenario = {
  summary:
    'a start with decisions that were never carried out: until it serves, and until every branch is committed.\n  Two participants over gRPC without databases, which attach when it serves.',
  options: { unfinished: { fallback: '10000', help: 'decisions of two branches each' } },
  async run(settings, onProgress) {
    await using stack = new AsyncDisposableStack();
    const transactions = settings.positive('unfinished');
    const directory = await scratch(stack);
    const past = { transactions, finished: false, resources: RESOURCES, outcomesMax: OUTCOMES_MAX };
    const gtrids = await writePast(directory, past, onProgress);
    onProgress(`${transactions} decisions are in the log; starting without and with them`);
    const empty = await startCoordinator(await scratch(stack));
    await empty[Symbol.asyncDispose]();
    const coordinator = stack.use(await startCoordinator(directory));
    const began = performance.now();
    const open = new Set(RESOURCES.flatMap((resource) => gtrids.map((gtrid) => `${resource} ${gtrid}`)));
    const wrong = new Set<string>();
    await Promise.all(
      RESOURCES.map((resource) =>
        coordinator.participant({
          resource,
          onFinish: (gtrid, verb) => {
            if (verb !== 'FINISH_VERB_COMMIT') {
              wrong.add(`${resource} was told ${verb} for a decided branch`);
            }
            open.delete(`${resource} ${gtrid}`);
          },
        }),
      ),
    );
    const attachedMs = performance.now() - began;
    await eventually(async () => (await coordinator.status()).unfinishedDecisions === 0, CLEARED_MS);
    const clearedMs = performance.now() - began;
    if (open.size > 0) {
      wrong.add(`${open.size} branches were never told to commit`);
    }
    const line = {
      unfinished: transactions,
      'start of an empty log ms': empty.startMs,
      'start ms': coordinator.startMs,
      'start CPU ms': coordinator.startCpuMs,
      'until attached ms': attachedMs,
      'until cleared ms': clearedMs,
    };
    return {
      lines: [line],
      notes: ['A start is counted from the start of its process; the rest from when it serves.'],
      wrong: [...wrong],
    };
  },
};
