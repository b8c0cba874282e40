// What every log promises, whatever it stores its records on. One suite, run by each implementation's test file.
import { describeBackups } from './contract/backups.ts';
import type { LogBench } from './contract/bench.ts';
import { describeOutcomes } from './contract/outcomes.ts';
import { describePast } from './contract/past.ts';
import { describeRecovery } from './contract/recovery.ts';
import { describeWrites } from './contract/writes.ts';

export function describeLogContract(name: string, openBench: () => Promise<LogBench>): void {
  describeRecovery(name, openBench);
  describeWrites(name, openBench);
  describeOutcomes(name, openBench);
  describePast(name, openBench);
  describeBackups(name, openBench);
}
