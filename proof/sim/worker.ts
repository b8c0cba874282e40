// One thread of a fleet: simulates the seeds that it is given, and tells the sums.
import { parentPort } from 'node:worker_threads';
import { noTotals, type Portion, type Totals } from './fleet.ts';
import { simulate } from './simulate.ts';
import { Trace } from './trace.ts';

/** Errors are part of every day here, and their stacks cost more than they are worth: the seed tells everything. */
Error.stackTraceLimit = 0;

/** One seed of so many runs twice, and must run the same. */
const REPEATED_ONE_IN = 100;

parentPort?.on('message', (portion: Portion | 'end') => {
  if (portion === 'end') {
    parentPort?.close();
    return;
  }
  void runPortion(portion).then((totals) => parentPort?.postMessage(totals));
});

async function runPortion({ first, count, transactions }: Portion): Promise<Totals> {
  const totals = noTotals();
  for (let seed = first; seed < first + count; seed += 1) {
    const isRepeated = seed % REPEATED_ONE_IN === 0;
    const trace = new Trace({ hash: isRepeated });
    const result = await simulate({ seed, transactions, trace });
    const options = JSON.stringify(result.options);
    totals.seeds += 1;
    totals.transactions += result.transactions;
    totals.committed += result.committed;
    totals.events += result.events;
    totals.simulatedMs += result.simulatedMs;
    totals.healedMs = Math.max(totals.healedMs, result.healedMs);
    totals.findings.push(...result.violations.map((violation) => ({ ...violation, seed, options })));
    if (isRepeated) {
      totals.repeated += 1;
      const again = await simulate({ seed, transactions, trace: new Trace({ hash: true }) });
      if (again.digest !== result.digest) {
        const details = `${result.digest} the first time, ${again.digest} the second`;
        totals.findings.push({ what: 'I19', details, seed, options });
      }
    }
  }
  return totals;
}
